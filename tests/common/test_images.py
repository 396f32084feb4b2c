"""Images: MNIST's file format and what can be wrong with it, resizing, and what is held out."""

import gzip
import struct
from fractions import Fraction

import numpy as np
import pytest
from sklearn.datasets import load_digits

from zoo_common.data.makers.image_examples import open_images
from zoo_common.data.resize import resize
from zoo_spec.data import IdxFiles, ImageData
from zoo_spec.errors import InputError

INPUTS = frozenset(["image", "labels"])


def _idx(array):
    array = np.asarray(array, np.uint8)
    return (
        struct.pack(">HBB", 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()
    )


def _digits(count=50):
    found = load_digits()
    return (found.images[:count] * 15).astype(np.uint8), found.target[:count].astype(np.uint8)


def _pair(tmp_path, images=None, labels=None, *, image_bytes=None, label_bytes=None):
    known = _digits()
    image_file, label_file = tmp_path / "images", tmp_path / "labels"
    image_file.write_bytes(
        _idx(known[0] if images is None else images) if image_bytes is None else image_bytes
    )
    label_file.write_bytes(
        _idx(known[1] if labels is None else labels) if label_bytes is None else label_bytes
    )
    return ImageData(files=IdxFiles(train_images=str(image_file), train_labels=str(label_file)))


def _open(data, split="train", shape=(8, 8, 1), classes=10):
    return open_images(data, split=split, shape=shape, classes=classes, inputs=INPUTS)


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("dot", ["-", "."])
def test_mnists_own_files_are_read_from_a_directory(tmp_path, zipped, dot):
    images, labels = _digits()
    parts = {"train": slice(0, 40), "t10k": slice(40, 50)}
    for part, rows in parts.items():
        for name, array in (
            (f"{part}-images{dot}idx3-ubyte", images),
            (f"{part}-labels{dot}idx1-ubyte", labels),
        ):
            content = _idx(array[rows])
            path = tmp_path / (name + ".gz" if zipped else name)
            path.write_bytes(gzip.compress(content) if zipped else content)
    data = ImageData(directory=str(tmp_path), mean=0.5, std=0.25)
    for split, rows in (("train", parts["train"]), ("eval", parts["t10k"])):
        dataset = _open(data, split)
        assert len(dataset) == rows.stop - rows.start
        for index in range(len(dataset)):
            example = dataset.example(0, index)
            expected = (images[rows][index][..., None] / 255 - 0.5) / 0.25
            assert example["image"].dtype == np.float32
            assert (example["image"] == expected.astype(np.float32)).all()
            assert example["labels"] == labels[rows][index]
            assert example["labels"].dtype == np.int32


def test_digits_are_the_default_at_the_models_size():
    dataset = _open(ImageData(), shape=(28, 28, 1))
    example = dataset.example(0, 0)
    assert example["image"].shape == (28, 28, 1)
    assert 0 <= example["image"].min() < example["image"].max() <= 1
    assert "image" not in open_images(
        ImageData(), split="train", shape=(28, 28, 1), classes=10, inputs=frozenset(["labels"])
    ).example(0, 0)


def _images_of(dataset):
    return [dataset.example(0, index)["image"].tobytes() for index in range(len(dataset))]


def test_a_stratified_fifth_is_held_out_by_the_seed():
    training, held_out = _open(ImageData()), _open(ImageData(), "eval")
    assert len(training) + len(held_out) == 1797
    assert not set(_images_of(training)) & set(_images_of(held_out))
    counts = np.bincount([int(held_out.example(0, index)["labels"]) for index in range(len(held_out))])
    assert (counts == [round(n / 5) for n in np.bincount(load_digits().target)]).all()
    assert _images_of(held_out) == _images_of(_open(ImageData(), "eval"))
    assert _images_of(held_out) != _images_of(_open(ImageData(split_seed=1), "eval"))


def test_the_last_fifth_is_the_end_of_the_file():
    held_out = _open(ImageData(split="last_fifth"), "eval")
    expected = load_digits().images[1437:] / 16
    assert _images_of(held_out) == [image.astype(np.float32)[..., None].tobytes() for image in expected]
    assert len(_open(ImageData(split="last_fifth"))) == 1437


def test_resizing_is_exact_bilinear_interpolation():
    image = np.asarray(load_digits().images[7], np.uint8)[..., None]
    found = resize(image, 28, 20)
    for i, j in [(0, 0), (27, 19), (5, 13), (14, 10)]:
        y = min(max(Fraction(2 * i + 1, 2) * 8 / 28 - Fraction(1, 2), Fraction(0)), Fraction(7))
        x = min(max(Fraction(2 * j + 1, 2) * 8 / 20 - Fraction(1, 2), Fraction(0)), Fraction(7))
        top, left = int(y), int(x)
        bottom, right = min(top + 1, 7), min(left + 1, 7)
        pixel = [[int(image[row, column, 0]) for column in (left, right)] for row in (top, bottom)]
        rows = [line[0] * (1 - (x - left)) + line[1] * (x - left) for line in pixel]
        assert found[i, j, 0] == float(rows[0] * (1 - (y - top)) + rows[1] * (y - top))


def test_shrinking_averages_and_a_flat_image_stays_flat():
    image = np.arange(16, dtype=np.uint8).reshape(4, 4, 1)
    # A triangle of half-width 2 weighs pixels that are 0.5, 0.5, 1.5 and 2.5 away by 3, 3, 1 and 0 quarters.
    weights = np.array([3, 3, 1, 0]) / 7
    assert np.allclose(resize(image, 2, 2)[0, 0, 0], weights @ image[..., 0] @ weights)
    assert (resize(np.full((5, 7, 3), 9, np.uint8), 11, 3) == 9).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"image_bytes": b"\0\0\x0d\x03" + bytes(20)},
            "not the IDX file .* begins with 0x00000d03",
        ),
        ({"image_bytes": b"\0\0"}, "not the IDX file"),
        ({"image_bytes": b"\0\0\x08\x03\0\0\0\x05"}, "cut off in the header: 16 bytes expected, 8 found"),
        ({"image_bytes": _idx(np.zeros((5, 8, 8)))[:-3]}, "cut off: 336 bytes expected .* 333 found"),
        (
            {"image_bytes": _idx(np.zeros((5, 8, 8))) + b"x"},
            "longer than its header says: 336 bytes expected",
        ),
        ({"image_bytes": b"\0\0\x08\x03" + b"\xff" * 12}, "cut off: 79,228,162"),
        ({"image_bytes": _idx(np.zeros((0, 8, 8)))}, "holds no values"),
        ({"image_bytes": b""}, "the file is empty"),
        ({"image_bytes": gzip.compress(_idx(_digits()[0]))[:-30]}, "gzip file of .* bytes is corrupt"),
        ({"image_bytes": b"\x1f\x8b" + bytes(30)}, "gzip file of 32 bytes is corrupt"),
        ({"label_bytes": _idx(np.zeros((50, 2)))}, "unsigned bytes of 1 dimensions begin with 0x00000801"),
        ({"labels": np.zeros(49)}, "has 50 images, but .*labels 49 labels"),
        ({"labels": np.where(np.arange(50) == 33, 12, 1)}, "label 12 is out of range"),
    ],
)
def test_a_damaged_file_is_refused_by_name(tmp_path, change, message):
    with pytest.raises(InputError, match=message) as caught:
        _open(_pair(tmp_path, **change))
    assert str(tmp_path) in str(caught.value)


def test_a_label_beyond_the_classes_is_told_with_the_labels_file(tmp_path):
    data = _pair(tmp_path)
    with pytest.raises(InputError, match=r"labels: image 3: label 3 is out of range: ids run from 0 to 2"):
        _open(data, classes=3)


def test_a_missing_file_or_directory_is_refused_by_name(tmp_path):
    data = ImageData(files=IdxFiles(train_images=str(tmp_path / "none"), train_labels=str(tmp_path / "none")))
    with pytest.raises(InputError, match="there is no such file"):
        _open(data)
    with pytest.raises(InputError, match="there is no train-images-idx3-ubyte"):
        _open(ImageData(directory=str(tmp_path)))
    with pytest.raises(InputError, match="there is no such directory"):
        _open(ImageData(directory=str(tmp_path / "none")))


def test_other_channels_than_the_models_are_refused():
    with pytest.raises(InputError, match=r"the images have 1 channel\(s\), the model's input 3"):
        _open(ImageData(), shape=(8, 8, 3))


def test_a_spec_with_two_sources_or_half_a_pair_is_refused():
    files = {"train_images": "a", "train_labels": "b"}
    with pytest.raises(ValueError, match="both given"):
        ImageData.model_validate({"directory": "d", "files": files})
    with pytest.raises(ValueError, match="together or not at all"):
        IdxFiles.model_validate({**files, "evaluation_images": "c"})
