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


class FirstToken(Block):
    """The first token of each example: ``[B, T, D]`` to ``[B, D]``, or ``[B, E, D]`` of packed rows."""

    def call(self, x: tf.Tensor, *, pooled_positions: tf.Tensor | None = None) -> tf.Tensor:
        return x[:, 0] if pooled_positions is None else gather(x, pooled_positions)


class LastToken(Block):
    """The last token of each example: ``[B, T, D]`` to ``[B, D]``, or ``[B, E, D]`` of packed rows."""

    def call(
        self, x: tf.Tensor, *, example_ids: tf.Tensor | None = None, pooled_positions: tf.Tensor | None = None
    ) -> tf.Tensor:
        ids_BT = tf.ones(tf.shape(x)[:2], tf.int32) if example_ids is None else example_ids
        places_T = tf.range(tf.shape(x)[1])
        if pooled_positions is None:
            last_B = tf.reduce_max(tf.where(ids_BT > 0, places_T, 0), 1)
            return gather(x, last_B[:, tf.newaxis])[:, 0]
        wanted_BE = tf.gather(ids_BT, pooled_positions, batch_dims=1)
        same_BET = ids_BT[:, tf.newaxis] == wanted_BE[:, :, tf.newaxis]
        return gather(x, tf.reduce_max(tf.where(same_BET, places_T, 0), 2))


@build.register
def _pooler(spec: specs.Pooler, inputs: Inputs) -> Pooler:
    return Pooler(hidden_size=inputs["x"].width)


@build.register
def _first_token(spec: specs.FirstToken, inputs: Inputs) -> FirstToken:
    return FirstToken()


@build.register
def _last_token(spec: specs.LastToken, inputs: Inputs) -> LastToken:
    return LastToken()
