"""What ``transformers`` once saved beside the weights of its decoders."""

from __future__ import annotations

import numpy as np

from zoo_spec.arrays import Array
from zoo_spec.foreign.names import Repeat


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
