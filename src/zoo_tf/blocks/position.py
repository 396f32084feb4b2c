"""How a model knows the order of its tokens."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from zoo_spec.blocks import position as specs
from zoo_spec.blocks.base import Inputs
from zoo_tf.blocks.base import Block
from zoo_tf.blocks.build import build

# B batch, T tokens, D hidden.


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


@build.register
def _learned_positions(spec: specs.LearnedPositions, inputs: Inputs) -> LearnedPositions:
    return LearnedPositions(size=spec.size, hidden_size=inputs["x"].width)
