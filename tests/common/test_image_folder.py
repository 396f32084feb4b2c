"""Folders of pictures: which class a picture is of, what becomes of its pixels, and what is refused."""

import io
import json
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from zoo_common.data.file_marks import marked, sources
from zoo_common.data.makers.image_examples import open_images
from zoo_common.data.reader import Wanted, open_data
from zoo_common.data.sources.pictures import PictureFile
from zoo_spec import load_spec
from zoo_spec.data import ImageFolder
from zoo_spec.errors import InputError

DRAWN = np.random.default_rng(5)


def _picture(path, mode="RGB", size=(6, 4), kind="PNG", **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = (size[1], size[0], 3) if mode == "RGB" else (size[1], size[0])
    picture = Image.fromarray(DRAWN.integers(0, 256, shape, np.uint8))
    (picture if mode in ("RGB", "L") else picture.convert(mode)).save(path, kind, **options)
    return path


def _open(data, split="train", shape=(4, 6, 3), classes=None, **more):
    inputs = frozenset(["image", "labels"])
    return open_images(data, split=split, shape=shape, classes=classes, inputs=inputs, **more)


def _labels(examples):
    return [int(examples.example(0, index)["labels"]) for index in range(len(examples))]


def test_classes_are_the_folders_sorted_by_bytes_as_torchvision_numbers_them(tmp_path):
    # 10 before 9, capitals before small letters, é behind both: ImageFolder's sorted() of names.
    for name in ("9", "10", "a", "B", "é"):
        _picture(tmp_path / "train" / name / "deep" / "one.png")
        _picture(tmp_path / "val" / name / "two.JPG", kind="JPEG")
    (tmp_path / "train" / "a" / "notes.txt").write_text("no picture")
    data = ImageFolder(directory=str(tmp_path))
    training = _open(data, classes=5, run_dir=tmp_path / "run")
    names = json.loads((tmp_path / "run" / "labels.json").read_text("utf-8"))
    assert names == ["10", "9", "B", "a", "é"] == sorted(names)
    assert _labels(training) == [0, 1, 2, 3, 4]
    assert _labels(_open(data, "eval", classes=5, run_dir=tmp_path / "run")) == [0, 1, 2, 3, 4]
    assert training.description().samples == 5


def test_without_folders_for_the_parts_a_part_is_held_out(tmp_path):
    for number in range(10):
        _picture(tmp_path / "ab"[number % 2] / f"{number}.png")
    data = ImageFolder(directory=str(tmp_path), evaluation_fraction=0.3)
    images = [
        {_open(data, split).example(0, index)["image"].tobytes() for index in range(count)}
        for split, count in (("train", 7), ("eval", 3))
    ]
    assert [len(part) for part in images] == [7, 3]
    assert not images[0] & images[1]


@pytest.mark.parametrize(
    "table",
    [
        "one.png b\ntwo.png a\n",  # Caffe's
        "file\tlabel\r\none.png\tb\r\ntwo.png\ta\r\n",
        "ImageId,PredictionString\none,b 1 2 3 4 b 5 6 7 8\ntwo,a 1 1 1 1 \n",  # ImageNet's on Kaggle
    ],
)
def test_a_flat_folder_has_its_labels_in_a_table(tmp_path, table):
    for name in "ab":
        _picture(tmp_path / "train" / name / "x.png")
    for name in ("one", "two"):
        _picture(tmp_path / "val" / f"{name}.png")
    (tmp_path / "val.txt").write_text(table, encoding="utf-8")
    data = ImageFolder(directory=str(tmp_path), evaluation_labels=str(tmp_path / "val.txt"))
    assert _labels(_open(data, "eval", classes=2)) == [1, 0]


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("one.png a\nthree.png b\n", "line 2: there is no picture 'three.png'"),
        ("one.png a\n", "has no label of 'two.png'"),
        ("one.png a\ntwo.png a\none.png a\n", "line 3: 'one.png' stands there twice"),
        ("one.png c\ntwo.png a\n", "one.png: the label 'c' is none of the run's 2"),
    ],
)
def test_a_table_that_does_not_fit_its_folder_is_refused_by_line(tmp_path, table, said):
    for name in ("train/a/x", "train/b/x", "val/one", "val/two"):
        _picture(tmp_path / f"{name}.png")
    (tmp_path / "val.txt").write_text(table, encoding="utf-8")
    data = ImageFolder(directory=str(tmp_path), evaluation_labels=str(tmp_path / "val.txt"))
    with pytest.raises(InputError, match=said):
        _open(data, "eval", classes=2)


def test_pictures_of_every_kind_become_the_channels_of_the_model(tmp_path):
    colours = np.zeros((4, 6, 3), np.uint8)
    colours[:, :3], colours[:, 3:] = (200, 100, 50), (10, 20, 30)
    picture = Image.fromarray(colours)
    folder = tmp_path / "c"
    folder.mkdir()
    picture.save(folder / "a.jpg", "PNG")  # A PNG by another name, of which ImageNet has one.
    picture.quantize(2).save(folder / "b.png")
    picture.convert("CMYK").save(folder / "c.tif")
    deep = np.arange(24, dtype=np.uint16).reshape(4, 6) * 2731
    Image.fromarray(deep).save(folder / "d.png")
    exif = Image.Exif()
    exif[0x0112] = 3
    picture.save(folder / "e.webp", lossless=True, exif=exif)
    data = ImageFolder(directory=str(tmp_path), evaluation_fraction=0)
    found = [_open(data).example(0, index)["image"] for index in range(5)]
    for same in found[:3]:
        np.testing.assert_allclose(same * 255, colours, atol=1e-4)
    np.testing.assert_allclose(found[3] * 255, np.repeat((deep >> 8)[..., None], 3, -1), atol=1e-4)
    np.testing.assert_allclose(found[4] * 255, colours[::-1, ::-1], atol=1e-4)
    grey = _open(data, shape=(4, 6, 1)).example(0, 0)["image"]
    np.testing.assert_allclose(grey[..., 0] * 255, colours @ [0.299, 0.587, 0.114], atol=1)


def test_the_shorter_side_is_resized_and_the_middle_cut_out_and_normalised_by_channel(tmp_path):
    path = _picture(tmp_path / "c" / "x.png", size=(20, 10))
    data = ImageFolder(
        directory=str(tmp_path), evaluation_fraction=0, shorter_side=5, mean=[0.5, 0.25, 0], std=[0.5, 1, 2]
    )
    found = _open(data, shape=(4, 4, 3)).example(0, 0)["image"]
    from zoo_common.data.resize import resize

    half = resize(np.asarray(Image.open(path)), 5, 10) / 255
    expected = (half[0:4, 3:7] - [0.5, 0.25, 0]) / [0.5, 1, 2]
    np.testing.assert_allclose(found, expected, atol=1e-6)


def _bomb():
    """A PNG whose header promises 100,000 times 100,000 pixels."""
    small = io.BytesIO()
    Image.new("L", (1, 1)).save(small, "PNG")
    chunk = b"IHDR" + struct.pack(">IIBBBBB", 100_000, 100_000, 8, 0, 0, 0, 0)
    content = small.getvalue()
    return content[:12] + chunk + struct.pack(">I", zlib.crc32(chunk)) + content[33:]


def _cut(kind):
    whole = io.BytesIO()
    Image.fromarray(DRAWN.integers(0, 256, (40, 40, 3), np.uint8)).save(whole, kind)
    return whole.getvalue()[: len(whole.getvalue()) // 2]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (_bomb(), "more pixels than|are the most"),
        (_cut("PNG"), "bad.png: "),
        (_cut("JPEG"), "bad.png: "),
        (_cut("TIFF"), "bad.png: "),
        (b"", "the file is empty"),
        (b"GIF89a" + bytes(20), "is no image that is read here"),
    ],
)
def test_a_damaged_picture_is_refused_by_its_name_or_left_out_and_counted(tmp_path, content, said):
    for number in range(9):
        _picture(tmp_path / "c" / f"{number}.png")
    (tmp_path / "c" / "bad.png").write_bytes(content)
    data = ImageFolder(directory=str(tmp_path), evaluation_fraction=0)

    def read_all():
        examples = _open(data)
        return [examples.example(0, index) for index in range(10)]

    with pytest.raises(InputError, match=said) as raised:
        read_all()
    assert "bad.png" in str(raised.value)
    assert "\n" not in str(raised.value)
    skipping = ImageFolder(
        directory=str(tmp_path), evaluation_fraction=0, on_bad_record="skip", bad_records=0.1
    )
    assert len(_open(skipping)) == 9
    with pytest.raises(InputError, match=r"1 of 10 records .* more than data.bad_records"):
        _open(skipping.model_copy(update={"bad_records": 0.05}))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda root: None, "there is no such directory"),
        (lambda root: _picture(root / "stray.png"), "lies beside the folders of the classes"),
        (lambda root: (root / "empty").mkdir(parents=True), "has no pictures"),
        (lambda root: [_picture(root / name / "x.png") for name in "abc"], "3 different labels, .* is 2"),
    ],
)
def test_a_folder_of_another_form_is_refused_by_name(tmp_path, make, said):
    root = tmp_path / "root"
    make(root)
    with pytest.raises(InputError, match=said) as raised:
        _open(ImageFolder(directory=str(root)), classes=2)
    assert str(root) in str(raised.value)


def test_a_run_notices_that_a_picture_is_another(tmp_path):
    path = _picture(tmp_path / "c" / "x.png")
    data = ImageFolder(directory=str(tmp_path))
    [before] = marked(sources(data))
    assert [before] == [*marked(sources(data))]
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    [after] = marked(sources(data))
    assert before.sha256 != after.sha256


def test_a_second_start_opens_no_picture(tmp_path, monkeypatch):
    for number in range(10):
        _picture(tmp_path / "pictures" / "ab"[number % 2] / f"{number}.png")
    data = {"kind": "image_folder", "directory": str(tmp_path / "pictures"), "mean": 0.5, "std": 0.5}
    spec = load_spec("vit_tiny", [f"data={json.dumps(data)}", "task.classes=2", "model.channels=3"])
    graph = spec.graph()

    def started(split):
        return open_data(spec.data, Wanted(spec, graph, split, tmp_path / "run"))

    before = [_labels(started(split)) for split in ("train", "eval")]
    looked_at = []
    real = PictureFile.check
    monkeypatch.setattr(PictureFile, "check", lambda *asked: looked_at.append(asked) or real(*asked))
    again = [started(split) for split in ("train", "eval")]
    assert looked_at == []
    assert [_labels(part) for part in again] == before
    _picture(tmp_path / "pictures" / "b" / "more.png")
    assert len(started("train")) == len(before[0]) + 1
    assert len(looked_at) == 11
