"""What ``transformers`` calls the heads of its decoders, and once saved beside their weights."""

from __future__ import annotations

import numpy as np

from zoo_spec.arrays import Array
from zoo_spec.foreign.names import Entry, Part, Repeat


def attention_buffers(attention: str, positions: int, hidden: float) -> tuple[Repeat, ...]:
    """Buffers of each layer's ``attention``, which published checkpoints still have.

    ``bias`` is which of so many positions each position sees, ``masked_bias`` the score of those that it does
    not see.
    """

    def past(_: Array) -> Array:
        return np.tril(np.ones((1, 1, positions, positions), bool))

    def score(_: Array) -> Array:
        return np.array(hidden, np.float32)

    query = "decoder.layers.{layer}.attention.query.weight"
    return (
        Repeat(f"{attention}.bias", query, past, written=False),
        Repeat(f"{attention}.masked_bias", query, score, written=False),
    )


def output_names(table: str, *, tied: bool) -> Part:
    """The output over the vocabulary: the embedding's ``table`` again, or a matrix of its own."""
    if tied:
        return Part(entries=(), repeats=(Repeat("lm_head.weight", table),), node="lm_head")
    return Part(entries=(Entry("lm_head.weight", "lm_head.weight"),), node="lm_head")


TASK_HEADS = (
    Part(entries=(Entry("classifier.dense.weight", "score.weight"),)),
    Part(entries=(Entry("token_classifier.dense.{leaf}", "classifier.{leaf}"),)),
    Part(entries=(Entry("span.dense.{leaf}", "qa_outputs.{leaf}"),)),
)
"""The heads of sequence and token classification and of question answering behind a decoder."""
