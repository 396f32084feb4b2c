"""How long each example is said to be, before it is made, by every maker of records."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from zoo_common.data import open_dataset
from zoo_common.data.base import Dataset, Padding
from zoo_common.data.lengths import joined
from zoo_common.data.mixture import AllExamples, MixedExamples
from zoo_spec import load_spec

# Each at a size that cuts some of its examples, but for those that refuse to cut.
SPECS = {
    "bert_tiny_regression": ["data.sequence_length=7"],
    "gpt2_tiny_classification": ["data.sequence_length=24"],
    "bert_tiny_ner": ["data.sequence_length=16", "data.evaluation_fraction=0.9"],
    "bert_tiny_squad": ["data.sequence_length=48", "data.stride=5", "data.evaluation_fraction=0.9"],
    "bert_tiny_summarization": ["data.sequence_length=87", "data.evaluation_fraction=0.9"],
    "gpt2_tiny_summarization": ["data.sequence_length=54", "data.evaluation_fraction=0.9"],
    "transformer_tiny": ["data.target_length=12", "data.evaluation_fraction=0.9"],
    "hubert_tiny_ctc": ["data.evaluation_fraction=0.9"],
    "hubert_tiny_units": ["data.waveform_samples=700", "data.evaluation_fraction=0.9"],
}


@pytest.fixture(autouse=True)
def quiet():
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("name", SPECS)
def test_an_example_is_as_long_as_is_said_in_every_epoch(name):
    dataset = open_dataset(load_spec(name, SPECS[name]), None, "train")
    padding, lengths = dataset.padding(), dataset.lengths()
    assert lengths.keys() == padding.sizes.keys()
    for dimension, found in lengths.items():
        assert found.dtype == np.int32
        inputs = [of for of, along in padding.dimensions.items() if along == dimension]
        for epoch in (0, 3):
            made = dataset.examples([(epoch, index) for index in range(0, len(dataset), 3)])
            assert inputs
            for of in set(inputs) & made[0].keys():
                assert [len(example[of]) for example in made] == found[::3].tolist()
        assert 0 < found.min() <= found.max() <= padding.sizes[dimension]
    assert any(found.min() < found.max() for found in lengths.values())


def test_an_example_of_a_mixture_is_no_longer_than_is_said_whatever_of_its_source_is_seen_there():
    specs = (load_spec("bert_tiny_regression", [f"data.sequence_length={size}"]) for size in (7, 9))
    parts = [open_dataset(spec, None, "train") for spec in specs]
    mixed, one_by_one = MixedExamples(parts, [1, 2], seed=3), AllExamples(parts)
    said = mixed.lengths()["sequence"]
    for epoch in range(4):
        made = [len(mixed.example(epoch, index)["input_ids"]) for index in range(len(mixed))]
        assert (np.asarray(made) <= said).all()
    assert set(said.tolist()) == {7, 9}
    exact = [len(one_by_one.example(0, index)["input_ids"]) for index in range(len(one_by_one))]
    assert one_by_one.lengths()["sequence"].tolist() == exact


class Unknown(Dataset):
    """Two examples whose lengths nobody says."""

    def __len__(self):
        return 2

    def padding(self):
        return Padding({"input_ids": "sequence"}, {"sequence": 9})


def test_a_source_that_does_not_say_how_long_its_examples_are_counts_as_full():
    known = open_dataset(load_spec("bert_tiny_regression", ["data.sequence_length=9"]), None, "eval")
    assert joined([known, Unknown()])["sequence"].tolist() == [*known.lengths()["sequence"].tolist(), 9, 9]
