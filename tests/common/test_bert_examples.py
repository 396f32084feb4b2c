"""Masked examples with sentence pairs: the published procedure, and random access."""

import hashlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from bert_corpus import (
    CLS,
    FIRST,
    MASK,
    PAD,
    SEP,
    VOCABULARY,
    document_of,
    every_example,
    make_corpus,
    make_examples,
    original,
    padded,
)
from zoo_common.data.batch_marks import batch_mark
from zoo_common.data.makers.bert_examples import _shorten
from zoo_spec.errors import InputError
from zoo_spec.random import Stream


def test_shapes_and_dtypes_are_fixed_and_only_what_is_asked_for_is_given():
    shapes = {name: (value.shape, str(value.dtype)) for name, value in make_examples().example(0, 0).items()}
    assert shapes == {
        "input_ids": ((64,), "int32"),
        "token_type_ids": ((64,), "int32"),
        "example_ids": ((64,), "int32"),
        "masked_positions": ((8,), "int32"),
        "masked_ids": ((8,), "int32"),
        "masked_weights": ((8,), "float32"),
        "next_sentence_labels": ((), "int32"),
    }
    assert list(make_examples(inputs=frozenset(["input_ids"])).example(0, 0)) == ["input_ids"]


def test_an_example_is_two_runs_of_text_between_special_tokens():
    corpus = make_corpus()
    for example in every_example(make_examples(corpus), epochs=3):
        ids, length = original(example), int(example["example_ids"].sum())
        assert (example["example_ids"] == (np.arange(64) < length)).all()
        assert (ids[length:] == PAD).all()
        middle, end = np.flatnonzero(ids == SEP)
        assert (ids[0], end) == (CLS, length - 1)
        first, second = ids[1:middle], ids[middle + 1 : end]
        assert len(first) >= 1
        assert len(second) >= 1
        assert (np.diff(first) == 1).all()
        assert (np.diff(second) == 1).all()
        assert (example["token_type_ids"] == ((np.arange(64) > middle) & (np.arange(64) <= end))).all()
        documents = (
            {document_of(token, corpus) for token in first},
            {document_of(token, corpus) for token in second},
        )
        assert len(documents[0]) == len(documents[1]) == 1
        if example["next_sentence_labels"] == 1:
            assert documents[0] != documents[1]
        else:
            assert documents[0] == documents[1]
            assert second[0] > first[-1]


def test_half_of_the_second_sentences_are_random():
    labels = [int(example["next_sentence_labels"]) for example in every_example(make_examples(), epochs=10)]
    # Binomial with about 900 draws: five standard deviations.
    assert abs(np.mean(labels) - 0.5) < 5 * 0.5 / np.sqrt(len(labels))


def test_predictions_are_masked_kept_and_replaced_in_eighty_ten_ten():
    fates = np.zeros(3)
    places = np.zeros(64)
    for example in every_example(make_examples(), epochs=25):
        count, length = int(example["masked_weights"].sum()), int(example["example_ids"].sum())
        positions, ids = example["masked_positions"][:count], example["masked_ids"][:count]
        assert count == min(8, max(1, round(length * 0.15)), length - 3)
        assert (np.diff(positions) > 0).all()
        assert (ids >= FIRST).all(), "no special token is predicted"
        for name in ("masked_positions", "masked_ids", "masked_weights"):
            assert (example[name][count:] == 0).all()
        seen = example["input_ids"][positions]
        fates += [(seen == MASK).sum(), (seen == ids).sum(), ((seen != MASK) & (seen != ids)).sum()]
        places[positions] += 1
    total = fates.sum()
    assert total > 10_000
    for share, expected in zip(fates / total, (0.8, 0.1, 0.1), strict=True):
        assert abs(share - expected) < 5 * np.sqrt(expected * (1 - expected) / total)
    assert places[0] == 0
    assert places[1:40].min() > 0.5 * places[1:40].max(), "every place is masked about as often"


def test_replacements_come_from_the_whole_vocabulary():
    seen = []
    for example in every_example(make_examples(), epochs=25):
        count = int(example["masked_weights"].sum())
        shown, ids = example["input_ids"][example["masked_positions"][:count]], example["masked_ids"][:count]
        seen += list(shown[(shown != MASK) & (shown != ids)])
    assert 0 <= min(seen) < 0.01 * VOCABULARY
    assert 0.99 * VOCABULARY < max(seen) < VOCABULARY


def test_every_sentence_is_seen_and_most_examples_are_full():
    corpus = make_corpus()
    dataset = make_examples(corpus)
    examples = every_example(dataset, epochs=12)
    seen = np.unique(np.concatenate([original(example) for example in examples]))
    assert np.isin(corpus.ids, seen).mean() > 0.99
    lengths = np.array([int(example["example_ids"].sum()) for example in examples])
    assert np.mean(lengths == 64) > 0.7
    assert np.mean(lengths < 50) > 0.02, "one in ten is shortened"


def test_examples_are_a_pure_function_of_seed_epoch_and_index():
    ordered = every_example(make_examples(), epochs=2)
    dataset = make_examples()
    places = [(epoch, index) for epoch in range(2) for index in range(len(dataset))]
    with ThreadPoolExecutor(4) as pool:
        threaded = list(pool.map(lambda place: padded(dataset, *place), places))
    backwards = [padded(dataset, *place) for place in reversed(places)][::-1]
    for one, two, three in zip(ordered, threaded, backwards, strict=True):
        for name in one:
            assert one[name].tobytes() == two[name].tobytes() == three[name].tobytes()


def test_seed_epoch_and_split_each_change_an_example():
    reference = make_examples().example(0, 3)["input_ids"].tobytes()
    assert make_examples().example(1, 3)["input_ids"].tobytes() != reference
    assert make_examples(seed=1).example(0, 3)["input_ids"].tobytes() != reference
    assert make_examples(split="eval").example(0, 3)["input_ids"].tobytes() != reference


def test_without_a_next_sentence_task_an_example_is_one_run_of_text():
    for example in every_example(make_examples(pairs=None)):
        ids, length = original(example), int(example["example_ids"].sum())
        assert (np.diff(ids[1 : length - 1]) == 1).all()
        assert (ids[0], ids[length - 1]) == (CLS, SEP)
        assert not example["token_type_ids"].any()


def test_the_only_document_gives_random_sentences_from_elsewhere_in_it():
    for example in every_example(make_examples(make_corpus(documents=1, sentences=80)), epochs=5):
        ids = original(example)
        middle, end = np.flatnonzero(ids == SEP)
        first, second = ids[1:middle], ids[middle + 1 : end]
        assert not np.isin(second, first).any()


def test_evaluation_starts_at_fixed_places():
    dataset = make_examples(split="eval", jitter=False, short_sequence_probability=0.0, pairs=None)
    corpus = make_corpus()
    seen = np.concatenate([original(example) for example in every_example(dataset)])
    # Only what is cut from sentences that overflow an example is missing.
    assert np.isin(corpus.ids, seen).mean() > 0.85


@pytest.mark.parametrize("sizes", [(40, 9), (9, 40), (20, 20), (21, 20), (60, 1), (1, 60), (3, 4)])
def test_the_longer_segment_is_cut_at_either_end_as_published(sizes):
    first, second = (np.arange(size, dtype=np.int32) for size in sizes)
    # truncate_seq_pair of google-research/bert takes from B when both are equally long.
    left = list(sizes)
    while sum(left) > 25:
        left[int(left[0] <= left[1])] -= 1
    starts = set()
    for number in range(30):
        cut = _shorten(first, second, Stream(number).uniforms(max(0, sum(sizes) - 25)) < 0.5)
        assert [len(segment) for segment in cut] == left
        assert all((np.diff(segment) == 1).all() for segment in cut)
        starts |= {int(segment[0]) for segment, size in zip(cut, sizes, strict=True) if len(segment) < size}
    assert len(starts) != 1, "what is cut comes off both ends"


@pytest.mark.parametrize("length", [5, 6, 7])
def test_the_shortest_lengths_work(length):
    for example in every_example(make_examples(sequence_length=length, max_predictions=20)):
        assert 1 <= example["masked_weights"].sum() <= length - 3


def test_a_length_without_room_for_two_tokens_is_refused():
    with pytest.raises(InputError, match="sequence_length 4 has no room"):
        make_examples(sequence_length=4)


def test_static_masking_makes_each_example_in_so_many_ways_and_dynamic_in_a_new_one_each_epoch():
    """``dupe_factor`` of google-research/bert, and RoBERTa's masking (Liu et al., 2019, 4.1)."""

    def ways(duplicates):
        examples = make_examples(duplicates=duplicates)
        return [examples.example(epoch, 3)["input_ids"].tobytes() for epoch in range(12)]

    static = ways(4)
    assert len(set(static[:4])) == 4
    assert static == static[:4] * 3
    assert len(set(ways(None))) == 12
    assert ways(None)[:4] == static[:4], "the first ways are those of the first epochs"


@pytest.mark.parametrize(
    ("settings", "mark"),
    [
        ({}, "aafd81046a4f722f"),
        ({"pairs": None}, "cb8d4aa71a7bc44e"),
        ({"pairs": "sentence_order", "sequence_length": 9, "max_predictions": 30}, "28420a10271ea2f0"),
    ],
)
def test_examples_are_what_they_were_when_each_was_made_by_itself(settings, mark):
    examples = make_examples(**settings)
    found = "".join(batch_mark(examples.batch(3, step, 5)) for step in range(40))
    assert hashlib.sha256(found.encode()).hexdigest()[:16] == mark
