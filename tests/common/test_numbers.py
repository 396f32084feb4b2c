"""A user's numbers: arrays of every make read as what they are, and what is no number named with its example."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from zoo_common.training.evaluation import evaluate_batches
from zoo_common.training.feed import open_feed
from zoo_common.training.named_batches import named_batches
from zoo_common.training.numbers import Suspect, checked
from zoo_spec import load_spec
from zoo_spec.errors import InputError

IDS = np.arange(5, 17, dtype=np.int32).reshape(2, 6)


def batches(name, *given, labelled=True):
    return list(named_batches(open_feed(list(given), {}), load_spec(name).graph(), labelled=labelled))


def ner(**changed):
    return {"input_ids": IDS, "labels": IDS % 4, "label_weights": np.ones((2, 6), np.float32), **changed}


def at(value, *, shape=(2, 6), place=(1, 2)):
    found = np.ones(shape, np.float32)
    found[place] = value
    return found


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_label_that_is_no_number_is_named_with_its_example_and_batch(value):
    good = {"input_ids": IDS, "labels": np.array([1, 2], np.float32)}
    bad = {**good, "labels": np.array([1, value])}
    with pytest.raises(InputError, match=rf"a batch's labels of example 1 is {value}; .*\(batch 2\)"):
        batches("bert_tiny_regression", good, bad)


def test_a_weight_that_is_no_number_is_named():
    with pytest.raises(InputError, match=r"label_weights of example 1 is nan; .*\(batch 1\)"):
        batches("bert_tiny_ner", ner(label_weights=at(np.nan)))


@pytest.mark.parametrize("labelled", [True, False])
def test_a_pixel_that_is_no_number_is_named_in_training_and_in_prediction(labelled):
    image = at(np.inf, shape=(3, 28, 28, 1), place=(2, 5, 5, 0))
    with pytest.raises(InputError, match="a batch's image of example 2 is inf"):
        batches("mnist_fc", {"image": image, "labels": np.zeros(3, int)}, labelled=labelled)


def test_large_numbers_whose_sum_overflows_are_numbers():
    image = np.full((2, 28, 28, 1), 3e38, np.float32)
    (found,) = batches("mnist_fc", {"image": image, "labels": np.zeros(2, int)})
    np.testing.assert_array_equal(found["image"], image)


def test_a_weight_below_0_is_refused():
    with pytest.raises(InputError, match=r"label_weights of example 1 is -0.5; weights are 0 or more"):
        batches("bert_tiny_ner", ner(label_weights=at(-0.5)))


@pytest.mark.parametrize("scale", [1e-36, 1e36])
def test_weights_that_float32_cannot_add_up_are_refused_and_none_at_all_are_not(scale):
    with pytest.raises(InputError, match=r"label_weights add up to 1.2e"):
        batches("bert_tiny_ner", ner(label_weights=np.full((2, 6), scale, np.float32)))
    batches("bert_tiny_ner", ner(label_weights=np.zeros((2, 6), np.float32)))


def test_a_data_sets_numbers_are_checked_too():
    graph = load_spec("bert_tiny_ner").graph()
    given = iter([ner(), ner(label_weights=at(np.nan))])
    with pytest.raises(InputError, match=r"of example 1 is nan; .*\(the batch of step 8\)"):
        list(checked(given, graph, "the batch of step", 7))


def makes(folder):
    """The same array as others make it."""
    ids = IDS.copy()
    np.save(folder / "ids.npy", ids)
    read_only = ids.copy()
    read_only.flags.writeable = False
    wrapped = np.empty((), object)
    wrapped[()] = ids
    return {
        "big-endian": ids.astype(">i4"),
        "little-endian": ids.astype("<i8"),
        "small": ids.astype(np.uint8),
        "unsigned": ids.astype(np.uint64),
        "short and big-endian": ids.astype(">i2"),
        "Fortran's order": np.asfortranarray(ids),
        "every other": np.repeat(ids, 2, axis=1)[:, ::2],
        "backwards": ids[::-1, ::-1].copy()[::-1, ::-1],
        "read-only": read_only,
        "memory-mapped": np.load(folder / "ids.npy", mmap_mode="r"),
        "wrapped as an object": wrapped,
        "objects": ids.astype(object),
        "a list": ids.tolist(),
        "a masked array without a mask": np.ma.masked_array(ids),
    }


@pytest.mark.parametrize("make", ["labels", "input_ids"])
def test_arrays_of_every_make_are_read_as_what_they_are(make, tmp_path):
    values = IDS % 4 if make == "labels" else IDS
    for name, array in makes(tmp_path).items():
        given = np.asarray(array) % 4 if make == "labels" and name != "wrapped as an object" else array
        if make == "labels" and name == "wrapped as an object":
            continue
        (found,) = batches("bert_tiny_ner", ner(**{make: given}))
        got = found[make]
        assert got.dtype == np.int32, name
        assert all((got.dtype.isnative, got.flags.c_contiguous, got.flags.writeable)), name
        np.testing.assert_array_equal(got, values, err_msg=name)


@pytest.mark.parametrize("dtype", [">f4", ">f8", np.float16, np.longdouble, bool, np.uint8, np.int64])
def test_weights_of_every_kind_of_number_are_read_as_what_they_are(dtype):
    weights = np.array([[1, 0, 1, 1, 0, 1]] * 2).astype(dtype)
    (found,) = batches("bert_tiny_ner", ner(label_weights=weights))
    got = found["label_weights"]
    assert got.dtype in (np.float16, np.float32, np.float64)
    assert got.dtype.isnative
    np.testing.assert_array_equal(got, [[1, 0, 1, 1, 0, 1]] * 2)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([[1, 2], [3]], r"labels: a list of list gives no array"),
        (np.array(["a"] * 12).reshape(2, 6), r"labels: a ndarray of <U1 is no array of numbers"),
        (object(), r"labels: a object of object is no array of numbers"),
        (np.full((2, 6), 2**40), r"labels has 1099511627776, which is beyond int32"),
        (np.ma.masked_array(IDS, IDS > 7), r"labels has values that are masked out"),
    ],
)
def test_what_is_no_array_of_numbers_is_refused_by_name(given, message):
    with pytest.raises(InputError, match=rf"a batch's .*{message}.*\(batch 1\)"):
        batches("bert_tiny_ner", ner(labels=given))


def test_the_first_value_of_a_feed_of_ones_own_that_is_not_finite_is_remembered():
    suspect = Suspect()
    suspect.look(1, ({"a": np.ones(3), "words": ["x", "y"]}, np.ones(3)))
    assert suspect.found == ""
    suspect.look(2, ({"a": np.ones(3)}, (np.ones(3), np.array([0, np.nan, 1]))))
    suspect.look(3, {"a": np.array([np.inf])})
    assert suspect.found == "labels.1 of example 1 is nan in batch 2 of the input"


class Gives:
    """A model that gives these outputs, whatever it is given."""

    def __init__(self, **outputs):
        self.outputs = {name: np.asarray(value) for name, value in outputs.items()}

    def evaluate_step(self, batch):
        return self.outputs


def evaluated(caplog, **outputs):
    spec = load_spec("bert_tiny_ner")
    logits = np.zeros((2, 6, 9))
    with caplog.at_level(logging.WARNING, logger="zoo"):
        return evaluate_batches(Gives(logits=logits, **outputs), spec, spec.graph(), [ner()])


def test_an_evaluation_that_gives_no_number_says_so(caplog):
    found = evaluated(caplog, classification_numerator=np.nan, classification_denominator=12.0)
    assert np.isnan(found["loss"])
    assert "the evaluation gives loss nan: the inputs are finite" in caplog.text


def test_an_evaluation_of_nothing_says_so(caplog):
    found = evaluated(caplog, classification_numerator=0.0, classification_denominator=0.0)
    assert found["loss"] == 0
    assert "no label of classification with a weight above 0" in caplog.text


def test_an_evaluation_of_numbers_says_nothing(caplog):
    found = evaluated(caplog, classification_numerator=6e-6, classification_denominator=12e-6)
    assert found["loss"] == pytest.approx(0.5, rel=1e-12)
    assert not caplog.text
