"""Span corruption: what the input lacks stands in the target, and both together are the text."""

import numpy as np
import pytest

from bert_corpus import padded
from zoo_common.data.base import DataDescription
from zoo_common.data.makers.span_examples import SpanExamples, SpanSettings
from zoo_common.data.makers.tokens import TokenCorpus
from zoo_spec.errors import InputError

END, PAD, FIRST = 3, 0, 999
INPUTS = ("input_ids", "example_ids", "decoder_input_ids", "decoder_example_ids", "labels", "label_weights")


def _examples(length=24, jitter=True, seed=0, sizes=(90, 30, 2, 1), fraction=0.25):
    ids = np.arange(10, 10 + sum(sizes), dtype=np.int32)
    bounds = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    return SpanExamples(
        TokenCorpus(ids, bounds, np.arange(len(sizes) + 1, dtype=np.int64)),
        SpanSettings(length, fraction, 3.0),
        first_sentinel=FIRST,
        end=END,
        pad=PAD,
        seed=seed,
        split="train",
        jitter=jitter,
        inputs=frozenset(INPUTS),
        about=DataDescription("test", 0, 0, 0),
    )


def _text(example):
    """The text that an example was made of, put together again."""
    source = example["input_ids"][example["example_ids"] == 1].tolist()
    target = example["labels"][example["label_weights"] == 1].tolist()
    assert source.pop() == target.pop() == END
    spans, found = {}, []
    for token in target:
        if token > 500:
            spans[token] = []
            last = spans[token]
        else:
            last.append(token)
    for token in source:
        found += spans[token] if token > 500 else [token]
    assert all(spans.values()), "no span is empty"
    assert (
        [token for token in source if token > 500]
        == list(spans)
        == list(range(FIRST, FIRST - len(spans), -1))
    )
    return found


@pytest.mark.parametrize("jitter", [False, True])
def test_input_and_target_together_are_the_text(jitter):
    dataset = _examples(jitter=jitter)
    for epoch in range(4):
        for index in range(len(dataset)):
            example = padded(dataset, epoch, index)
            text = _text(example)
            assert text == list(range(text[0], text[0] + len(text))), "one run of one document"
            assert example["input_ids"].shape == (24,)
            real = example["decoder_example_ids"] == 1
            assert (real == (example["label_weights"] == 1)).all()
            assert example["decoder_input_ids"][0] == PAD
            assert (example["decoder_input_ids"][1:][real[1:]] == example["labels"][:-1][real[1:]]).all()
            assert (example["decoder_input_ids"][~real] == PAD).all()
            assert (example["labels"][~real] == PAD).all()
            assert (example["input_ids"][example["example_ids"] == 0] == PAD).all()


def test_in_evaluation_every_token_is_there_once():
    dataset = _examples(jitter=False)
    tokens = [token for index in range(len(dataset)) for token in _text(dataset.example(0, index))]
    # A document of one token has nothing that could be cut out of something.
    assert tokens == list(range(10, 132))


def test_the_original_sizes_come_out():
    """512 tokens are made of 568, and have targets of 114 (t5/data/preprocessors.py, random_spans_helper)."""
    settings = SpanSettings(512, 0.15, 3.0)
    assert (settings.tokens, settings.target_length) == (568, 114)


def test_as_much_is_cut_out_as_was_asked_for_and_spans_differ():
    settings = SpanSettings(512, 0.15, 3.0)
    noise, spans = settings.noise(568)
    assert (noise, spans) == (85, 28)
    dataset = _examples(length=100, sizes=(400,), fraction=0.15)
    targets = [dataset.example(epoch, 0)["labels"].tobytes() for epoch in range(20)]
    assert len(set(targets)) == 20
    again = _examples(length=100, sizes=(400,), fraction=0.15)
    assert again.example(7, 0)["labels"].tobytes() == targets[7]


def test_every_way_to_cut_is_drawn():
    """Two spans of four noise tokens: 1 + 3, 2 + 2 and 3 + 1, alike."""
    dataset = _examples(length=16, sizes=(14,), fraction=0.3)
    assert dataset._settings.noise(14) == (4, 1)
    dataset = _examples(length=21, sizes=(20,), fraction=0.3)
    assert dataset._settings.noise(20) == (6, 2)
    lengths = []
    for epoch in range(500):
        labels = dataset.example(epoch, 0)["labels"]
        lengths.append(int(np.flatnonzero(labels == FIRST - 1)[0]) - 1)
    counts = np.bincount(lengths, minlength=6)[1:]
    assert counts.sum() == 500
    assert counts.min() > 70


def test_a_length_without_room_is_refused():
    with pytest.raises(InputError, match="sequence_length 2 has no room"):
        _examples(length=2)
