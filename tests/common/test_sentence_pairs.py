"""Which two segments stand in an example, and whether the label says so."""

from collections import Counter

import numpy as np
import pytest

from bert_corpus import FIRST, SEP, document_of, every_example, make_corpus, make_examples, original
from zoo_common.data.makers.sentence_pairs import PAIRS
from zoo_common.data.makers.tokens import TokenCorpus
from zoo_spec.tasks.masked_lm import MaskedLmSentences

KEPT = ("input_ids", "masked_positions", "masked_ids", "masked_weights", "example_ids", "token_type_ids")


def _made(task, corpus=None, **changes):
    inputs = frozenset([*KEPT, f"{task}_labels"])
    return make_examples(corpus, pairs=task, inputs=inputs, masked_fraction=0.15, **changes)


def _segments(example):
    ids = original(example)
    middle, end = np.flatnonzero(ids == SEP)
    assert example["token_type_ids"][1 : middle + 1].max() == 0
    assert example["token_type_ids"][middle + 1 : end + 1].min() == 1
    return ids[1:middle], ids[middle + 1 : end]


def test_every_task_on_pairs_has_its_segments_and_as_many_labels():
    tasks = {cls.name: len(cls.classes) for cls in MaskedLmSentences.__subclasses__()}
    assert tasks == {"next_sentence": 2, "sentence_order": 2, "sentence_distance": 3}
    assert tasks.keys() == PAIRS.keys()
    for task, classes in tasks.items():
        found = {int(example[f"{task}_labels"]) for example in every_example(_made(task), epochs=2)}
        assert found == set(range(classes))


def test_the_order_s_label_says_which_segment_comes_first():
    counts = Counter()
    for example in every_example(_made("sentence_order"), epochs=4):
        first, second = _segments(example)
        label = int(example["sentence_order_labels"])
        counts[label] += 1
        before, after = (first, second) if label == 0 else (second, first)
        # Every token has an id of its own that tells its place; the longer segment may have lost tokens at its ends.
        assert (np.diff(np.concatenate([before, after])) > 0).all()
        assert after[0] - before[-1] < 17
    assert 0.45 < counts[1] / counts.total() < 0.55


def test_the_distance_s_label_says_how_far_apart_the_segments_stand():
    corpus, counts = make_corpus(), Counter()

    def sentence(token):
        return int(np.searchsorted(corpus.sentences, token - FIRST, side="right")) - 1

    for example in every_example(_made("sentence_distance", corpus), epochs=4):
        first, second = _segments(example)
        label = int(example["sentence_distance_labels"])
        counts[label] += 1
        same = document_of(first[0], corpus) == document_of(second[0], corpus)
        assert same == (label != 2)
        if label == 0:
            # Neighbours, but for tokens that the longer one lost where they meet.
            assert 0 < second[0] - first[-1] < 17
        if label == 1:
            between = (
                sentence(second[0]) - sentence(first[-1])
                if second[0] > first[-1]
                else (sentence(first[0]) - sentence(second[-1]))
            )
            assert between > 1
    assert all(0.28 < counts[label] / counts.total() < 0.39 for label in range(3))


@pytest.mark.parametrize("task", PAIRS)
def test_one_sentence_alone_makes_an_example_that_fits(task):
    ids = FIRST + np.arange(30, dtype=np.int32)
    corpus = TokenCorpus(ids, np.array([0, 30]), np.array([0, 1]))
    for example in every_example(_made(task, corpus, short_sequence_probability=0.0), epochs=20):
        first, second = _segments(example)
        if task == "sentence_order":
            assert sorted([*first, *second]) == ids.tolist()
            assert min(len(first), len(second)) > 0
        else:
            assert (first.tolist(), len(second), int(example[f"{task}_labels"])) == (ids.tolist(), 0, 0)


def test_a_distance_that_there_is_not_gives_the_nearest_one():
    """Two documents of one sentence: a segment has none beside it, but there is another document."""
    ids = FIRST + np.arange(40, dtype=np.int32)
    corpus = TokenCorpus(ids, np.array([0, 20, 40]), np.array([0, 1, 2]))
    found = {
        int(example["sentence_distance_labels"])
        for example in every_example(_made("sentence_distance", corpus), 9)
    }
    assert found == {2}
