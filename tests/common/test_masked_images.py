"""Images with masks: two folders, and three benchmarks in their own files; tiles, and what is refused."""

import json
import re

import numpy as np
import pytest
from PIL import Image

from zoo_common.data.opening import open_dataset
from zoo_spec import load_spec
from zoo_spec.errors import InputError

DRAWN = np.random.default_rng(7)


def _save(path, values, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(values, np.uint8)).save(path, **options)
    return path


def _open(data, split="train", size=(8, 8), classes=2, channels=1, run_dir=None):
    task = "{kind: binary_segmentation}" if classes == 2 else f"{{kind: segmentation, classes: {classes}}}"
    fields = [
        f"model.image_size={[*size]}",
        f"model.channels={channels}",
        "model.filters=[2, 2]",
        f"task={task}",
    ]
    spec = load_spec("unet_tiny", [*fields, f"data={json.dumps(data)}"])
    return open_dataset(spec, run_dir, split)


def _folder(tmp_path, mask, image=None, **more):
    _save(tmp_path / "images" / "a" / "x.png", np.zeros(np.shape(mask)[:2]) if image is None else image)
    _save(tmp_path / "masks" / "a" / "x.png", mask)
    return {"kind": "mask_folder", "images": f"{tmp_path}/images", "masks": f"{tmp_path}/masks",
            "evaluation_fraction": 0, **more}  # fmt: skip


def test_masks_are_ids_values_of_grey_or_colours_and_some_pixels_do_not_count(tmp_path):
    ids = DRAWN.integers(0, 3, (8, 8))
    ids[0, 0] = 2
    colours = np.array([[0, 0, 0], [128, 0, 0], [9, 9, 200]], np.uint8)
    for mask, more in (
        (ids, {}),
        (np.array([0, 255, 7], np.uint8)[ids], {"values": [0, 255, 7]}),
        (colours[ids], {"values": colours.tolist()}),
    ):
        example = _open(_folder(tmp_path, mask, **more), classes=3).example(0, 0)
        np.testing.assert_array_equal(example["labels"], ids)
        assert (example["label_weights"] == 1).all()
    example = _open(_folder(tmp_path, ids, void=2), classes=3).example(0, 0)
    np.testing.assert_array_equal(example["label_weights"], ids != 2)
    np.testing.assert_array_equal(example["labels"], np.where(ids == 2, 0, ids))


@pytest.mark.parametrize(
    ("mask", "more", "said"),
    [
        (np.full((8, 8), 255), {}, r"masks/a/x.png: has 255 at row 1, column 1, which is no class"),
        (np.full((8, 8), 3), {}, r"x.png: its mask has class 3, and the model 2 classes"),
        (np.arange(192).reshape(8, 8, 3), {}, "has colours; say which class"),
        (np.zeros((8, 9)), {}, r"masks/a/x.png: has 8 x 9 pixels, and its image .* 8 x 8"),
    ],
)
def test_a_mask_that_does_not_fit_is_refused_by_its_file(tmp_path, mask, more, said):
    data = _folder(tmp_path, mask, np.zeros((8, 8)), **more)
    with pytest.raises(InputError, match=said):
        _open(data)


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda root: (root / "masks/a/x.png").unlink(), "images/a/x.png: has no mask"),
        (lambda root: _save(root / "masks/y.png", np.zeros((8, 8))), "masks/y.png: is the mask of no image"),
        (lambda root: _save(root / "images/a/x.bmp", np.zeros((8, 8))), "have one mask"),
        (lambda root: (root / "masks/a/x.png").write_bytes(b"\x89PNG\r\n\x1a\n"), "masks/a/x.png: "),
    ],
)
def test_images_without_masks_and_masks_without_images_are_refused(tmp_path, harm, said):
    data = _folder(tmp_path, np.zeros((8, 8)))
    harm(tmp_path)
    with pytest.raises(InputError, match=said):
        _open(data)


def test_tiles_cover_an_image_and_in_evaluation_each_pixel_counts_once(tmp_path):
    image = DRAWN.integers(0, 256, (21, 30), np.uint8)
    mask = DRAWN.integers(0, 2, (21, 30), np.uint8)
    same = {"evaluation_images": f"{tmp_path}/images", "evaluation_masks": f"{tmp_path}/masks"}
    data = _folder(tmp_path, mask, image, stride=5, **same)
    training = _open(data)
    assert len(training) == 4 * 6  # (21 - 8) / 5 and (30 - 8) / 5, rounded up, and the first
    starts = [(top, left) for top in (0, 5, 10, 13) for left in (0, 5, 10, 15, 20, 22)]
    for index, (top, left) in enumerate(starts):
        example = training.example(0, index)
        expected = image[top : top + 8, left : left + 8] / 255
        np.testing.assert_allclose(example["image"][..., 0], expected, rtol=1e-6)
        np.testing.assert_array_equal(example["labels"], mask[top : top + 8, left : left + 8])
    evaluation = _open(data, "eval")
    count = np.zeros((21, 30))
    for index, (top, left) in enumerate((t, c) for t in (0, 8, 13) for c in (0, 8, 16, 22)):
        example = evaluation.example(0, index)
        count[top : top + 8, left : left + 8] += example["label_weights"]
    assert len(evaluation) == 12
    assert (count == 1).all()


def test_an_image_smaller_than_a_tile_is_black_beyond_and_does_not_count_there(tmp_path):
    example = _open(_folder(tmp_path, np.ones((5, 6)), np.full((5, 6), 255), stride=8)).example(0, 0)
    inside = np.zeros((8, 8))
    inside[:5, :6] = 1
    for name in ("label_weights", "labels"):
        np.testing.assert_array_equal(example[name], inside)
    np.testing.assert_array_equal(example["image"][..., 0], inside)


def test_a_mask_is_turned_and_cut_with_its_image(tmp_path):
    mask = DRAWN.integers(0, 2, (10, 12), np.uint8)
    wanted = {"crop_padding": 2, "flip_left_right": True, "flip_up_down": True, "quarter_turns": True}
    for stride in (None, 4):
        data = _folder(tmp_path, mask, mask * 255, stride=stride, augmentation=wanted)
        examples = _open(data)
        for epoch in range(10):
            example = examples.example(epoch, 0)
            if stride == 4:
                np.testing.assert_array_equal(example["image"][..., 0], example["labels"])
                assert (example["label_weights"] == 1).all()
            else:
                assert ((example["image"][..., 0] > 0.5) == example["labels"]).mean() > 0.7


def _dagm(root, table, part="Train"):
    for number in (1, 2):
        _save(root / "Class1" / part / f"000{number}.PNG", np.full((8, 8), number))
    label = np.zeros((8, 8))
    label[2:5, 3:6] = 255
    _save(root / "Class1" / part / "Label" / "0001_label.PNG", label)
    (root / "Class1" / part / "Label" / "Labels.txt").write_bytes(table)


@pytest.mark.parametrize("first", [b"1\r\n", b""])
@pytest.mark.parametrize("last", [b"", b"\t0"])
def test_dagm_is_read_with_the_first_line_of_its_table_and_without(tmp_path, first, last):
    _dagm(
        tmp_path,
        first + b"1\t1\t0001.PNG\t0\t0001_label.PNG" + last + b"\r\n2\t0\t0002.PNG\t0\t0" + last + b"\n",
    )
    data = {"kind": "dagm2007", "directory": str(tmp_path)}
    examples = _open(data, run_dir=tmp_path / "run")
    assert len(examples) == 2
    assert [int(examples.example(0, index)["labels"].sum()) for index in range(2)] == [9, 0]
    assert '"defect"' in (tmp_path / "run" / "labels.json").read_text()
    assert len(_open({**data, "directory": f"{tmp_path}/Class1", "only_defective": True})) == 1
    with pytest.raises(InputError, match="Test: there is no such directory"):
        _open(data, "eval")


def test_a_row_of_dagms_table_without_its_image_is_refused_by_line(tmp_path):
    _dagm(tmp_path, b"1\n1\t1\t0009.PNG\t0\t0001_label.PNG\n")
    with pytest.raises(InputError, match=r"Labels.txt: line 2: there is no .*0009.PNG"):
        _open({"kind": "dagm2007", "directory": str(tmp_path)})


NEW = "ImageId,ClassId,EncodedPixels\nb.jpg,3,2 3 9 1\nb.jpg,1,25 2\nc.jpg,4,1 1\n"
OLD = (
    "ImageId_ClassId,EncodedPixels\nb.jpg_1,25 2\nb.jpg_2,\nb.jpg_3,2 3 9 1\nb.jpg_4,\na.jpg_1,\na.jpg_2,\na.jpg_3,\n"
    "a.jpg_4,\nc.jpg_1,\nc.jpg_2,\nc.jpg_3,\nc.jpg_4,1 1\n"
)


def _steel(tmp_path, table):
    for name in "abc":
        _save(tmp_path / "train_images" / f"{name}.jpg", np.zeros((8, 16)))
    (tmp_path / "train.csv").write_text(table, encoding="utf-8")
    return {"kind": "severstal", "directory": str(tmp_path), "evaluation_fraction": 0}


def _decoded(pairs, height, width):
    """The competition's own words: numbered from top to bottom, then left to right, from 1."""
    mask = np.zeros((height, width), int)
    for start, length in pairs:
        for pixel in range(start - 1, start - 1 + length):
            mask[pixel % height, pixel // height] = 1
    return mask


@pytest.mark.parametrize("table", [NEW, OLD])
def test_severstals_run_lengths_go_down_the_columns_from_one_in_both_forms_of_its_table(tmp_path, table):
    examples = _open(_steel(tmp_path, table), size=(8, 16), classes=5)
    found = [examples.example(0, index)["labels"] for index in range(3)]
    b = 3 * _decoded([(2, 3), (9, 1)], 8, 16) + _decoded([(25, 2)], 8, 16)
    c = 4 * _decoded([(1, 1)], 8, 16)
    ordered = [b, c, 0 * b] if table == NEW else [b, 0 * b, c]
    np.testing.assert_array_equal(found, ordered)
    one = {**_steel(tmp_path, table), "class_id": 3, "only_defective": True}
    examples = _open(one, size=(8, 16))
    assert len(examples) == 1
    np.testing.assert_array_equal(examples.example(0, 0)["labels"], b == 3)


def test_severstals_images_are_split_in_the_tables_order(tmp_path):
    data = {**_steel(tmp_path, NEW), "split": "in_order", "evaluation_fraction": 0.34}
    parts = [_open(data, split, size=(8, 16), classes=5) for split in ("train", "eval")]
    assert [len(part) for part in parts] == [2, 1]
    assert not parts[1].example(0, 0)["labels"].any()  # a.jpg, which the table does not name


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("a,b\n", "line 1: the columns are"),
        (NEW + "d.jpg,1,1 1\n", "line 5: there is no picture 'd.jpg'"),
        (NEW + "a.jpg,5,1 1\n", "line 5: the class '5' is none of 1 to 4"),
        (NEW + "a.jpg,2,1\n", "line 5: the run lengths are no pairs"),
        (NEW + "a.jpg,2,0 1\n", "line 5: the run of 1 pixels from 0 is not within the image's 128"),
        (NEW + "a.jpg,2,128 2\n", "line 5: the run of 2 pixels from 128 is not within"),
        (NEW + "b.jpg,2,3 1\n", "line 5: the run at 3 overlaps with that at 2 of b.jpg"),
        (NEW + "b.jpg,2\n", "line 5: has 2 cells"),
    ],
)
def test_a_row_of_severstals_table_that_cannot_be_is_refused_by_line(tmp_path, table, said):
    with pytest.raises(InputError, match=f"train.csv: {re.escape(said)}"):
        _open(_steel(tmp_path, table), size=(8, 16), classes=5)


@pytest.mark.parametrize("compression", [None, "tiff_lzw"])
def test_inrias_first_five_images_of_a_town_are_evaluated_on_and_tiles_are_read_of_each(
    tmp_path, compression
):
    options = {"compression": compression} if compression else {}
    pixels = {}
    for name in ("austin1", "austin6", "tyrol-w5", "tyrol-w12"):
        pixels[name] = DRAWN.integers(0, 256, (20, 16, 3), np.uint8)
        _save(tmp_path / "train" / "images" / f"{name}.tif", pixels[name], **options)
        _save(tmp_path / "train" / "gt" / f"{name}.tif", 255 * (pixels[name][..., 0] > 127), **options)
    data = {"kind": "inria", "directory": str(tmp_path), "stride": 8}
    for split, names in (("train", ("austin6", "tyrol-w12")), ("eval", ("austin1", "tyrol-w5"))):
        examples = _open(data, split, channels=3)
        assert len(examples) == 2 * 6
        for index in range(12):
            top, left = [(t, c) for t in (0, 8, 12) for c in (0, 8)][index % 6]
            expected = pixels[names[index // 6]][top : top + 8, left : left + 8]
            example = examples.example(0, index)
            np.testing.assert_allclose(example["image"] * 255, expected, atol=1e-4)
            counts = example["label_weights"] > 0
            np.testing.assert_array_equal(example["labels"][counts], (expected[..., 0] > 127)[counts])


def test_of_a_large_tiff_without_compression_only_the_rows_of_a_tile_are_read(tmp_path):
    import zoo_common.data.sources.pictures as pictures
    from zoo_spec.data.limits import ImageLimits

    values = DRAWN.integers(0, 256, (300, 40, 3), np.uint8)
    path = str(_save(tmp_path / "x.tif", values))
    found = pictures.PictureFile(path, ImageLimits()).pixels(3, (100, 7, 90, 20))
    np.testing.assert_array_equal(found, values[100:190, 7:27])
    content = (tmp_path / "x.tif").read_bytes()
    (tmp_path / "x.tif").write_bytes(content[: len(content) // 2])
    np.testing.assert_array_equal(
        pictures.PictureFile(path, ImageLimits()).pixels(3, (0, 0, 20, 40)), values[:20]
    )
    with pytest.raises(InputError, match=r"x.tif: is cut off"):
        pictures.PictureFile(path, ImageLimits()).pixels(3, (280, 0, 20, 40))
