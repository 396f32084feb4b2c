"""A corpus whose every token has an id of its own, and the masked examples that are made of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from zoo_common.data.base import DataDescription, stack
from zoo_common.data.makers.bert_examples import BertExamples, PairSettings
from zoo_common.data.makers.masked_rows import SpecialIds
from zoo_common.data.makers.tokens import TokenCorpus

PAD, CLS, SEP, MASK, FIRST, VOCABULARY = 0, 2, 3, 4, 10, 1_000_000
SETTINGS = PairSettings(
    sequence_length=64,
    max_predictions=8,
    masked_fraction=0.15,
    short_sequence_probability=0.1,
    random_next_probability=0.5,
)
INPUTS = frozenset(
    ["input_ids", "token_type_ids", "example_ids", "masked_positions", "masked_ids", "masked_weights",
     "next_sentence_labels"]
)  # fmt: skip


def make_corpus(documents=12, sentences=60):
    """Every token has an id of its own, so an id tells its place; sentences have 1 to 17 tokens."""
    lengths = 1 + (np.arange(documents * sentences) * 7) % 17
    ids = FIRST + np.arange(lengths.sum(), dtype=np.int32)
    return TokenCorpus(
        ids,
        np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        np.arange(documents + 1, dtype=np.int64) * sentences,
    )


def make_examples(corpus=None, seed=0, split="train", inputs=INPUTS, **changes):
    return BertExamples(
        corpus or make_corpus(),
        replace(SETTINGS, **changes),
        SpecialIds(PAD, CLS, SEP, MASK, VOCABULARY),
        seed=seed,
        split=split,
        inputs=inputs,
        about=DataDescription("test", 0, 0, 0),
    )


def original(example):
    """The tokens before masking."""
    ids = example["input_ids"].copy()
    count = int(example["masked_weights"].sum())
    ids[example["masked_positions"][:count]] = example["masked_ids"][:count]
    return ids


def document_of(token, corpus):
    sentence = np.searchsorted(corpus.sentences, token - FIRST, side="right") - 1
    return int(np.searchsorted(corpus.documents, sentence, side="right")) - 1


def every_example(dataset, epochs=1):
    return [padded(dataset, epoch, index) for epoch in range(epochs) for index in range(len(dataset))]


def padded(dataset, epoch, index):
    """One example as it stands in a batch."""
    batch = stack([dataset.example(epoch, index)], dataset.padding())
    return {name: value[0] for name, value in batch.items()}
