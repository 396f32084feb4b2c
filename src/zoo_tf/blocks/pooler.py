"""One vector for a whole example."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from zoo_spec.blocks import pooler as specs
from zoo_spec.blocks.base import Inputs
from zoo_tf.blocks.base import Block
from zoo_tf.blocks.build import build
from zoo_tf.blocks.dense import Dense
from zoo_tf.blocks.gather import gather

# B batch, T tokens, D hidden, E examples in a row.


class Pooler(Block):
    """``tanh(dense(first token))``: ``[B, T, D]`` to ``[B, D]``, or ``[B, E, D]`` of packed rows."""

    def __init__(self, *, hidden_size: int, **keras_: Any) -> None:
        super().__init__(**keras_)
        self.dense = Dense(
            in_features=hidden_size, out_features=hidden_size, bias=True, dtype=self.dtype_policy
        )

    def call(self, x: tf.Tensor, *, pooled_positions: tf.Tensor | None = None) -> tf.Tensor:
        first = x[:, 0] if pooled_positions is None else gather(x, pooled_positions)
        return tf.tanh(self.dense(first))


@build.register
def _pooler(spec: specs.Pooler, inputs: Inputs) -> Pooler:
    return Pooler(hidden_size=inputs["x"].width)
