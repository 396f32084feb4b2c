"""Input functions and cadences: what both runners make of them before a framework is asked."""

import numpy as np
import pytest

from zoo_common.training.cadence import EvaluatingWhereSaved, EverySteps, stop_step
from zoo_common.training.denominators import denominators
from zoo_common.training.feed import open_feed
from zoo_common.training.named_batches import named_batches
from zoo_spec import load_spec
from zoo_spec.errors import InputError


def test_an_input_function_is_given_what_it_names_and_ends_where_it_ends():
    def input_fn(start_step, mode):
        return [start_step, mode]

    feed = open_feed(input_fn, {"start_step": 7, "mode": "train", "params": None}, repeats=True)
    assert list(feed) == [7, "train"]
    assert list(open_feed(lambda: iter("ab"), {})) == ["a", "b"]


def test_batches_themselves_come_again_only_where_steps_are_asked_for():
    again = iter(open_feed([1, 2], {}, repeats=True))
    assert [next(again) for _ in range(5)] == [1, 2, 1, 2, 1]
    assert list(open_feed([1, 2], {})) == [1, 2]
    assert list(open_feed(iter([1, 2]), {}, repeats=True)) == [1, 2]  # Gone once it is gone through.


@pytest.mark.parametrize("empty", [[], lambda: [], lambda: iter(())])
def test_an_input_without_batches_is_refused(empty):
    with pytest.raises(InputError, match="gives no batch"):
        list(open_feed(empty, {}, repeats=True))


def test_a_dictionary_is_a_batch_and_not_batches():
    with pytest.raises(InputError, match="gives dict, which is no batches"):
        open_feed(lambda: {"image": np.zeros(1)}, {})


def test_steps_add_and_max_steps_do_not():
    assert (stop_step(5, 3, None), stop_step(5, None, 3), stop_step(5, None, None)) == (8, 3, None)


def test_a_cadence_saves_a_tenth_of_the_steps_and_evaluates_with_them():
    cadence = EvaluatingWhereSaved(EverySteps(40), stop=42)
    found = [step for step in range(1, 43) if cadence.evaluates(step)]
    assert found == [4, 8, 12, 16, 20, 24, 28, 32, 36, 40, 42]
    assert [step for step in range(1, 3001) if EverySteps(None).saves(step)] == [1000, 2000, 3000]
    assert [step for step in range(98, 125) if EverySteps(None).logs(step)] == [98, 99, 100, 110, 120]


def test_weights_that_a_batch_leaves_out_count_as_ones():
    graph = load_spec("causal_lm").graph()
    ids = np.ones((2, 5), np.int32)
    feed = open_feed([{"input_ids": ids, "labels": ids}], {})
    (batch,) = named_batches(feed, graph)
    assert list(denominators(graph, batch).values()) == [10.0]
    weighted = {**batch, "label_weights": np.full((2, 5), 0.5, np.float32)}
    assert list(denominators(graph, weighted).values()) == [5.0]


def test_ids_out_of_range_are_refused_with_their_example():
    graph = load_spec("causal_lm").graph()
    ids = np.ones((3, 5), np.int64)
    ids[1, 2] = 10**6
    with pytest.raises(InputError, match=r"input_ids 1000000 of example 1 is out of range"):
        list(named_batches(open_feed([{"input_ids": ids, "labels": ids}], {}), graph))


@pytest.mark.parametrize(
    ("name", "label", "limit"),
    [
        ("bert_tiny_classification", "labels", 3),
        ("bert_tiny_multi_label", "labels", 2),
        ("bert_tiny_ner", "labels", 7),
        ("bert_tiny_squad", "end_positions", 6),
        ("bert_tiny_summarization", "sentence_positions", 6),
    ],
)
def test_labels_and_positions_that_the_model_lacks_are_refused_with_their_example(name, label, limit):
    graph = load_spec(name).graph()
    sizes = {"batch": 4, "sequence": 6, "sentences": 2, "examples": 1}
    given = {
        name: np.zeros([sizes.get(size, size) for size in spec.shape], spec.dtype)
        for name, spec in graph.inputs.items()
    }
    list(named_batches(open_feed([given], {}), graph))
    given[label][2] = limit
    with pytest.raises(InputError, match=f"a batch's {label} {limit} of example 2 is out of range"):
        list(named_batches(open_feed([given], {}), graph))


@pytest.mark.parametrize(
    ("name", "left_out"),
    [
        ("bert_tiny", "masked_positions"),
        ("bert_tiny", "masked_ids"),
        ("bert_tiny", "next_sentence_labels"),
        ("bert_tiny_summarization", "sentence_positions"),
        ("bert_tiny_squad", "end_positions"),
        ("t5_tiny", "decoder_input_ids"),
    ],
)
def test_an_input_without_which_there_is_no_loss_is_asked_for_by_name(name, left_out):
    graph = load_spec(name).graph()
    sizes = {"batch": 2, "sequence": 6, "target_sequence": 5, "predictions": 2, "sentences": 2}
    given = {
        name: np.zeros([sizes.get(size, size) for size in spec.shape], spec.dtype)
        for name, spec in graph.inputs.items()
        if name not in ("pooled_positions", left_out)
    }
    with pytest.raises(InputError, match=f"also needs {left_out}; its inputs are"):
        list(named_batches(open_feed([given], {}), graph))


def test_inputs_that_only_add_to_a_loss_may_be_left_out():
    graph = load_spec("bert_tiny").graph()
    names = ("input_ids", "masked_positions", "masked_ids")
    given = {name: np.zeros((2, 4), np.int32) for name in names}
    list(named_batches(open_feed([{**given, "next_sentence_labels": np.zeros(2, np.int32)}], {}), graph))
