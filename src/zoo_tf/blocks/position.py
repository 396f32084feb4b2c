"""How a model knows the order of its tokens."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from zoo_spec.blocks import position as specs
from zoo_spec.blocks.base import Inputs
from zoo_tf.blocks.base import Block
from zoo_tf.blocks.build import build
from zoo_tf.precision import at_least_float32

# B batch, T tokens, D hidden, N heads, H head size.


class LearnedPositions(Block):
    """Adds a learned vector for each position to ``x [B, T, D]``."""

    def __init__(self, *, size: int, hidden_size: int, **keras_: Any) -> None:
        super().__init__(**keras_)
        self.embeddings = self.add_weight(
            shape=(size, hidden_size), initializer="zeros", name="embeddings", autocast=False
        )

    def call(self, x: tf.Tensor, *, positions: tf.Tensor | None = None) -> tf.Tensor:
        table = tf.convert_to_tensor(self.embeddings)
        if positions is None:
            return x + tf.cast(table[: tf.shape(x)[1]], x.dtype)
        # Rounded after the rows are taken, so that their gradients add up in float32.
        return x + tf.cast(tf.gather(table, positions), x.dtype)


class OffsetPositions(Block):
    """Adds a learned vector to ``x [B, T, D]``: position ``p`` has row ``p + offset`` of the table."""

    def __init__(self, *, size: int, offset: int, hidden_size: int, **keras_: Any) -> None:
        super().__init__(**keras_)
        self.offset = offset
        self.embeddings = self.add_weight(
            shape=(offset + size, hidden_size), initializer="zeros", name="embeddings", autocast=False
        )

    def call(self, x: tf.Tensor, *, positions: tf.Tensor | None = None) -> tf.Tensor:
        table = tf.convert_to_tensor(self.embeddings)
        if positions is None:
            return x + tf.cast(table[self.offset : self.offset + tf.shape(x)[1]], x.dtype)
        return x + tf.cast(tf.gather(table, positions + self.offset), x.dtype)


class Rotary(Block):
    """Turns pairs of the first features of queries or keys ``x [B, N, T, H]`` (Su et al., 2021, 3.2.2).

    ``interleaved``: pairs are neighbours; else a feature of the first half and one of the second.
    """

    def __init__(self, *, size: int, dims: int, base: float, interleaved: bool, **keras_: Any) -> None:
        super().__init__(**keras_)
        self.interleaved = interleaved
        self.pairs = dims // 2
        angles = specs.rotary_angles(size=size, dims=dims, base=base)
        self.cos = np.cos(angles)
        self.sin = np.sin(angles)

    def call(self, x: tf.Tensor, *, positions: tf.Tensor | None = None) -> tf.Tensor:
        wide_BNTH = at_least_float32(x)
        cos, sin = self._rows(self.cos, wide_BNTH, positions), self._rows(self.sin, wide_BNTH, positions)
        turned, rest = wide_BNTH[..., : 2 * self.pairs], wide_BNTH[..., 2 * self.pairs :]
        if self.interleaved:
            one, other = turned[..., 0::2], turned[..., 1::2]
            turned = tf.stack([one * cos - other * sin, other * cos + one * sin], -1)
            batch, _, length, _ = tf.unstack(tf.shape(x))
            parts = [tf.reshape(turned, [batch, x.shape[1], length, 2 * self.pairs]), rest]
        else:
            one, other = turned[..., : self.pairs], turned[..., self.pairs :]
            parts = [one * cos - other * sin, other * cos + one * sin, rest]
        return tf.cast(tf.concat(parts, -1), x.dtype)

    def _rows(self, table: np.ndarray, x: tf.Tensor, positions: tf.Tensor | None) -> tf.Tensor:
        """``[T, pairs]``, or ``[B, 1, T, pairs]`` where positions are given."""
        rows = tf.constant(table, x.dtype)
        if positions is None:
            return rows[: tf.shape(x)[2]]
        return tf.gather(rows, positions)[:, None]


@build.register
def _learned_positions(spec: specs.LearnedPositions, inputs: Inputs) -> LearnedPositions:
    return LearnedPositions(size=spec.size, hidden_size=inputs["x"].width)


@build.register
def _offset_positions(spec: specs.OffsetPositions, inputs: Inputs) -> OffsetPositions:
    return OffsetPositions(size=spec.size, offset=spec.offset, hidden_size=inputs["x"].width)


@build.register
def _rotary(spec: specs.Rotary, inputs: Inputs) -> Rotary:
    return Rotary(
        size=spec.size,
        dims=spec.turned(inputs["x"].width),
        base=spec.base,
        interleaved=spec.style == "interleaved",
    )
