"""Next-token examples: labels are already shifted, and weigh nothing at the end of each example."""

import numpy as np
import pytest

from zoo_common.data.base import DataDescription
from zoo_common.data.makers.causal_examples import CausalExamples
from zoo_common.data.makers.tokens import TokenCorpus
from zoo_spec.errors import InputError

SEP, PAD = 3, 0


def _examples(length=8, jitter=True, seed=0, sizes=(30, 3, 1, 17), overlap=0):
    ids = np.arange(10, 10 + sum(sizes), dtype=np.int32)
    bounds = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    return CausalExamples(
        TokenCorpus(ids, bounds, np.arange(len(sizes) + 1, dtype=np.int64)),
        sequence_length=length,
        overlap=overlap,
        separator=SEP,
        pad=PAD,
        seed=seed,
        split="train",
        jitter=jitter,
        inputs=frozenset(["input_ids", "example_ids", "labels", "label_weights"]),
        about=DataDescription("test", 0, 0, 0),
    )


@pytest.mark.parametrize("jitter", [False, True])
def test_labels_are_the_next_tokens(jitter):
    dataset = _examples(jitter=jitter)
    for epoch in range(4):
        for index in range(len(dataset)):
            example = dataset.example(epoch, index)
            count = int(example["example_ids"].sum())
            ids, labels, weights = example["input_ids"], example["labels"], example["label_weights"]
            assert weights.sum() == count - 1
            assert (weights[: count - 1] == 1).all()
            assert (labels[: count - 1] == ids[1:count]).all()
            assert (labels[count - 1 :] == PAD).all()
            assert (ids[count:] == PAD).all()
            assert SEP not in ids[: count - 1], "no example spans two documents"


@pytest.mark.parametrize("overlap", [0, 1, 3, 6])
def test_every_token_is_predicted_once_in_evaluation_whatever_windows_have_in_common(overlap):
    dataset = _examples(jitter=False, overlap=overlap)
    predicted = []
    for index in range(len(dataset)):
        example = dataset.example(0, index)
        predicted += example["labels"][example["label_weights"] == 1].tolist()
    firsts = {10, 40, 43, 44}
    tokens = [token for token in predicted if token != SEP]
    assert sorted(tokens) == sorted(set(range(10, 61)) - firsts)
    assert predicted.count(SEP) == 4


def test_windows_overlap_by_so_many_tokens_and_count_them_in_training():
    dataset = _examples(sizes=(60,), overlap=3)
    starts = [
        int(_examples(sizes=(60,), overlap=3, jitter=False).example(0, i)["input_ids"][0]) for i in range(14)
    ]
    assert starts == list(range(10, 66, 4))
    assert all((dataset.example(epoch, 5)["label_weights"][:7] == 1).all() for epoch in range(9))
    moved = {int(dataset.example(epoch, 5)["input_ids"][0]) for epoch in range(60)}
    assert moved == set(range(30, 34))


def test_an_overlap_that_leaves_nothing_new_is_refused():
    with pytest.raises(InputError, match=r"data\.overlap 7 leaves nothing new .* lower it to 6 at most"):
        _examples(overlap=7)


def test_training_windows_move_from_epoch_to_epoch_and_stay_full():
    dataset = _examples()
    starts = {int(dataset.example(epoch, 1)["input_ids"][0]) for epoch in range(50)}
    assert starts == set(range(17, 24))
    assert all(dataset.example(epoch, 3)["example_ids"].all() for epoch in range(50))
    one, two = dataset.example(3, 1)["input_ids"], _examples().example(3, 1)["input_ids"]
    assert one.tobytes() == two.tobytes()


def test_a_length_without_a_next_token_is_refused():
    with pytest.raises(InputError, match="sequence_length 1 leaves no next token"):
        _examples(length=1)
