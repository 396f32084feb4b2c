"""How predictions stream: in order, a batch at a time, padded where the model can tell, each error in its place."""

from __future__ import annotations

import io
import os
from itertools import count, islice
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zoo_common.prediction import Item, Line, lines_of, predict, read_lines
from zoo_common.prediction.base import pad
from zoo_common.prediction.image_files import read_images
from zoo_common.prediction.probabilities import likeliest, rounded, softmax
from zoo_common.prediction.words import joined
from zoo_spec.errors import InputError


class Echo:
    """A model that gives its ``input_ids`` back, and notes what it was given."""

    def __init__(self, answer=lambda ids: ids):
        self.batches = []
        self.answer = answer

    def predict_step(self, batch):
        self.batches.append({name: value.shape for name, value in batch.items()})
        return {"ids": self.answer(batch["input_ids"].astype(np.float32))}


class Letters:
    """Lines of letters, as their numbers; a digit in one cannot be answered."""

    key, outputs, reads_files = "text", ("ids",), False

    def __init__(self, *, has_example_ids=True):
        self.has_example_ids = has_example_ids

    def items(self, line):
        if any(each.isdigit() for each in line.text):
            raise InputError(f"{line.source}: a digit")
        ids = np.array([ord(each) for each in line.text], np.int32)
        features = {"input_ids": ids}
        if self.has_example_ids:
            features["example_ids"] = np.ones_like(ids)
        size = len(ids)
        yield Item({"line": line.number}, features, lambda row: {"sum": float(row["ids"][:size].sum())})


def texts(answers):
    return [answer.get("sum", answer.get("error")) for answer in answers]


def test_answers_are_in_order_with_errors_in_their_places():
    model = Echo()
    lines = ["a", "bb", "1", "ccc", "2", "d"]
    found = list(predict(model, Letters(), lines_of(lines), batch_size=4, strict=False))
    assert texts(found) == [97, 196, "input 3: a digit", 297, "input 5: a digit", 100]
    assert found[2] == {"line": 3, "text": "1", "error": "input 3: a digit"}
    assert [batch["input_ids"] for batch in model.batches] == [(3, 3), (1, 1)]


def test_what_cannot_be_answered_is_raised_where_nobody_looks_for_errors():
    answers = predict(Echo(), Letters(), lines_of(["a", "1", "b"]), batch_size=1)
    assert next(answers) == {"line": 1, "sum": 97}
    with pytest.raises(InputError, match="input 2: a digit"):
        next(answers)


def test_a_nan_in_any_output_that_answers_is_an_error():
    class Broken(Echo):
        def predict_step(self, batch):
            return {**super().predict_step(batch), "others": np.array([1.0, np.nan])}

    predictor = Letters()
    assert texts(predict(Broken(), predictor, lines_of(["a", "b"]), batch_size=2)) == [97, 98]
    predictor.outputs = ("ids", "others")
    with pytest.raises(InputError, match="holds NaN or infinity"):
        list(predict(Broken(), predictor, lines_of(["a", "b"]), batch_size=2))


def test_endless_input_streams_a_batch_at_a_time():
    taken = []

    def lines():
        for number in count(1):
            taken.append(number)
            yield Line(number, "abc", "here")

    answers = predict(Echo(), Letters(), lines(), batch_size=8)
    assert [row["line"] for row in islice(answers, 20)] == list(range(1, 21))
    assert len(taken) <= 24
    only_errors = predict(
        Echo(), Letters(), (Line(number, "1", "") for number in count(1)), batch_size=8, strict=False
    )
    assert len(list(islice(only_errors, 20))) == 20


def test_rows_of_different_lengths_share_a_batch_only_where_padding_can_be_told():
    lines = ["ab", "cd", "efg", "hi", "1", "jk"]
    with_ids, without = Echo(), Echo()
    ours = list(predict(with_ids, Letters(), lines_of(lines), batch_size=9, strict=False))
    theirs = list(
        predict(without, Letters(has_example_ids=False), lines_of(lines), batch_size=9, strict=False)
    )
    assert ours == theirs
    assert [batch["input_ids"] for batch in with_ids.batches] == [(5, 3)]
    assert [batch["input_ids"] for batch in without.batches] == [(2, 2), (1, 3), (2, 2)]


def test_an_answer_that_is_not_finite_is_an_error_and_no_probability():
    for wrong in (np.nan, np.inf):
        model = Echo(lambda ids, wrong=wrong: np.where(ids == ord("b"), wrong, ids))
        with pytest.raises(InputError, match="NaN or infinity"):
            list(predict(model, Letters(), lines_of(["a", "b"]), batch_size=2, strict=False))


def test_padding_fills_each_dimension_at_its_end():
    rows = [np.array([[1, 2], [3, 4]]), np.array([[5, 6, 7]])]
    np.testing.assert_array_equal(pad(rows), [[[1, 2, 0], [3, 4, 0]], [[5, 6, 7], [0, 0, 0]]])


def test_softmax_is_that_of_float64_also_for_large_logits():
    logits = np.array([1000.0, 999.0, -1000.0], np.float32)
    expected = 1 / (1 + np.exp(-1.0))
    np.testing.assert_allclose(softmax(logits), [expected, 1 - expected, 0], rtol=1e-15)


def test_the_likeliest_are_in_order_and_of_equals_the_first():
    values = np.array([0.1, 0.3, 0.1, 0.3, 0.1, 0.1])
    assert likeliest(values, 3) == [1, 3, 0]
    assert likeliest(values, 1) == [1]
    assert likeliest(values, 99) == [1, 3, 0, 2, 4, 5]
    drawn = np.random.default_rng(0).random(2000)
    assert likeliest(drawn, 7) == list(np.argsort(-drawn)[:7])


def test_probabilities_are_told_in_eight_digits():
    assert rounded(np.float64(1 / 3)) == 0.33333333
    assert rounded(1.23456789e-12) == 1.2345679e-12


def test_a_piece_that_goes_on_with_a_word_is_put_behind_it():
    assert joined("The ", "cat") == "The cat"
    assert joined("The cat ", "##s") == "The cats"


def test_a_file_without_a_last_line_end_and_with_a_mark_at_its_beginning():
    lines = read_lines(io.BytesIO(b"\xef\xbb\xbfa\r\n\n  b "), "here")
    assert [(line.number, line.text, line.source) for line in lines] == [
        (1, "a", "here:1"),
        (3, "  b ", "here:3"),
    ]


def test_colours_become_the_channels_that_the_model_has(tmp_path):
    colours = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [9, 9, 9]]], np.uint8)
    picture = Image.fromarray(colours)
    picture.save(tmp_path / "rgb.png")
    picture.quantize(4).save(tmp_path / "palette.png")
    picture.convert("RGBA").save(tmp_path / "opaque.png")
    luma = np.rint(colours @ [0.299, 0.587, 0.114])  # ITU-R BT.601-7, 2.5.1
    for name in ("rgb", "palette", "opaque"):
        [(index, grey)] = read_images(str(tmp_path / f"{name}.png"), 1)
        assert (index, grey.shape, grey.dtype) == (None, (1, 4, 1), np.uint8)
        assert np.abs(grey[..., 0] - luma).max() <= 1, name
        [(_, same)] = read_images(str(tmp_path / f"{name}.png"), 3)
        np.testing.assert_array_equal(same, colours)


def test_a_picture_stands_as_its_camera_says(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # To be turned by 90 degrees, clockwise.
    pixels = np.arange(6, dtype=np.uint8).reshape(2, 3)
    Image.fromarray(pixels).save(tmp_path / "turned.png", exif=exif)
    [(_, found)] = read_images(str(tmp_path / "turned.png"), 1)
    np.testing.assert_array_equal(found[..., 0], np.rot90(pixels, -1))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "PPM"])
def test_whatever_is_cut_off_or_changed_in_a_picture_ends_in_an_input_error_or_a_picture(tmp_path, kind):
    pixels = np.random.default_rng(3).integers(0, 256, (9, 7), np.uint8)
    whole = io.BytesIO()
    Image.fromarray(pixels).save(whole, kind)
    content = whole.getvalue()
    drawn = np.random.default_rng(4)
    file = tmp_path / "picture"
    refused = 0
    for number in range(150):
        harmed = bytearray(content[: drawn.integers(1, len(content))] if number % 2 else content)
        for _ in range(number % 3):
            harmed[drawn.integers(len(harmed))] = drawn.integers(256)
        file.write_bytes(harmed)
        try:
            [(_, found)] = read_images(str(file), 1)
        except InputError as error:
            assert str(file) in str(error)  # noqa: PT017
            refused += 1
        else:
            assert found.dtype == np.uint8
            assert found.shape[-1] == 1
    assert refused > 40


def test_an_image_whose_name_is_not_utf_8_is_read_and_told_in_printable_form(tmp_path):
    path = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.png")
    Image.fromarray(np.ones((2, 3), np.uint8)).save(path, "PNG")
    [(_, found)] = read_images(path, 1)
    assert found.shape == (2, 3, 1)
    Path(path).write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(InputError, match=r"caf\\udce9\.png: ") as raised:
        list(read_images(path, 1))
    assert str(raised.value).isprintable()


def test_an_array_of_images_stays_on_the_disk(tmp_path):
    np.save(tmp_path / "many.npy", np.arange(24, dtype=np.uint8).reshape(2, 3, 4))
    found = list(read_images(str(tmp_path / "many.npy"), 1))
    assert [index for index, _ in found] == [0, 1]
    assert isinstance(found[0][1].base, np.memmap) or not found[0][1].flags.owndata
