"""Multi-head attention."""

from __future__ import annotations

import math
from typing import Any

import tensorflow as tf

from zoo_spec.blocks import attention as specs
from zoo_spec.blocks.base import Inputs
from zoo_tf.blocks.base import Block
from zoo_tf.blocks.build import build
from zoo_tf.blocks.dense import Dense
from zoo_tf.blocks.dropout import Dropout
from zoo_tf.precision import at_least_float32

# B batch, T tokens, D hidden, N heads, H head size.


class Attention(Block):
    """Multi-head scaled dot-product attention (Vaswani et al., 2017, 3.2)."""

    def __init__(
        self, *, hidden_size: int, num_heads: int, causal: bool, bias: bool, dropout: float, **keras_: Any
    ) -> None:
        super().__init__(**keras_)
        self.hidden_size = hidden_size
        self.num_heads = num_heads
        self.causal = causal

        def projection() -> Dense:
            return Dense(
                in_features=hidden_size, out_features=hidden_size, bias=bias, dtype=self.dtype_policy
            )

        self.query = projection()
        self.key = projection()
        self.value = projection()
        self.project = projection()
        self.dropout = Dropout(rate=dropout, dtype=self.dtype_policy)

    def call(
        self, x: tf.Tensor, *, example_ids: tf.Tensor | None = None, positions: tf.Tensor | None = None
    ) -> tf.Tensor:
        q_BNTH = self._split(self.query(x))
        k_BNTH = self._split(self.key(x))
        v_BNTH = self._split(self.value(x))
        mask = visible(example_ids, tf.shape(x)[1], self.causal)
        mixed_BTNH = tf.transpose(self._mix(q_BNTH, k_BNTH, v_BNTH, mask), [0, 2, 1, 3])
        sizes = tf.shape(x)
        return self.project(tf.reshape(mixed_BTNH, [sizes[0], sizes[1], self.hidden_size]))

    def _split(self, x_BTD: tf.Tensor) -> tf.Tensor:
        sizes = tf.shape(x_BTD)
        heads = [sizes[0], sizes[1], self.num_heads, self.hidden_size // self.num_heads]
        return tf.transpose(tf.reshape(x_BTD, heads), [0, 2, 1, 3])

    def _mix(
        self, q_BNTH: tf.Tensor, k_BNTH: tf.Tensor, v_BNTH: tf.Tensor, mask: tf.Tensor | None
    ) -> tf.Tensor:
        scale = tf.constant(1 / math.sqrt(self.hidden_size // self.num_heads), q_BNTH.dtype)
        # Scaling the queries is scaling the scores, on a tensor that is T / H times smaller.
        scores_BNTT = at_least_float32(tf.matmul(q_BNTH * scale, k_BNTH, transpose_b=True))
        if mask is not None:
            nothing = tf.constant(0, scores_BNTT.dtype)
            scores_BNTT = scores_BNTT + tf.where(mask, nothing, tf.constant(-math.inf, scores_BNTT.dtype))
        weights_BNTT = tf.cast(tf.nn.softmax(scores_BNTT), v_BNTH.dtype)
        return tf.matmul(self.dropout(weights_BNTT), v_BNTH)


def visible(example_ids: tf.Tensor | None, length: tf.Tensor, causal: bool) -> tf.Tensor | None:
    """Which positions see which, ``[B, 1, T, T]`` or ``[T, T]`` bool; None if all do.

    A position sees those of its own example, itself among them, so no row is ever empty.
    """
    past = None
    if causal:
        position = tf.range(length)
        past = position[:, None] >= position[None, :]
    if example_ids is None:
        return past
    same = example_ids[:, None, :, None] == example_ids[:, None, None, :]
    return same if past is None else same & past


@build.register
def _attention(spec: specs.Attention, inputs: Inputs) -> Attention:
    return Attention(
        hidden_size=inputs["x"].width,
        num_heads=spec.num_heads,
        causal=spec.mask == "causal",
        bias=spec.bias,
        dropout=spec.dropout,
    )
