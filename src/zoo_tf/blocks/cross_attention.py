"""Cross-attention: reading another sequence, such as an encoder's."""

from __future__ import annotations

import math
from typing import Any

import tensorflow as tf

from zoo_spec.blocks import cross_attention as specs
from zoo_spec.blocks.base import Inputs
from zoo_tf.blocks.attend import attend, join, split
from zoo_tf.blocks.base import Block
from zoo_tf.blocks.build import build
from zoo_tf.blocks.dense import Dense
from zoo_tf.blocks.dropout import Dropout

# B batch, T tokens, S memory's tokens, N heads, H head size.


class CrossAttention(Block):
    """Multi-head attention to a memory; ``scale`` multiplies the scores."""

    def __init__(
        self,
        *,
        hidden_size: int,
        memory_size: int,
        num_heads: int,
        head_size: int,
        scale: float,
        bias: bool,
        dropout: float,
        **keras_: Any,
    ) -> None:
        super().__init__(**keras_)
        inner = num_heads * head_size
        dtype = self.dtype_policy
        self.num_heads = num_heads
        self.scale = scale
        self.query = Dense(in_features=hidden_size, out_features=inner, bias=bias, dtype=dtype)
        self.key = Dense(in_features=memory_size, out_features=inner, bias=bias, dtype=dtype)
        self.value = Dense(in_features=memory_size, out_features=inner, bias=bias, dtype=dtype)
        self.project = Dense(in_features=inner, out_features=hidden_size, bias=bias, dtype=dtype)
        self.dropout = Dropout(rate=dropout, dtype=dtype)

    def call(
        self,
        x: tf.Tensor,
        memory: tf.Tensor,
        *,
        example_ids: tf.Tensor | None = None,
        memory_example_ids: tf.Tensor | None = None,
    ) -> tf.Tensor:
        q_BNTH = split(self.query(x), self.num_heads)
        k_BNSH = split(self.key(memory), self.num_heads)
        v_BNSH = split(self.value(memory), self.num_heads)
        mask, found = readable(example_ids, memory_example_ids, tf.shape(x), tf.shape(memory))
        mixed_BNTH = attend(q_BNTH, k_BNSH, v_BNSH, scale=self.scale, mask=mask, dropout=self.dropout)
        if found is not None:
            mixed_BNTH = mixed_BNTH * tf.cast(found, mixed_BNTH.dtype)
        return self.project(join(mixed_BNTH))


def readable(
    example_ids: tf.Tensor | None,
    memory_example_ids: tf.Tensor | None,
    shape: tf.Tensor,
    memory_shape: tf.Tensor,
) -> tuple[tf.Tensor | None, tf.Tensor | None]:
    """Which of the memory each position reads, ``[B, 1, T, S]``, and whether it has any, ``[B, 1, T, 1]``.

    Both None if all read all. Softmax needs something to run over, so one that has none is shown all.
    """
    if example_ids is None and memory_example_ids is None:
        return None, None
    if example_ids is None:
        example_ids = tf.ones(shape[:2], memory_example_ids.dtype)
    if memory_example_ids is None:
        memory_example_ids = tf.ones(memory_shape[:2], example_ids.dtype)
    same = example_ids[:, None, :, None] == memory_example_ids[:, None, None, :]
    found = tf.reduce_any(same, -1, keepdims=True)
    return same | ~found, found


@build.register
def _cross_attention(spec: specs.CrossAttention, inputs: Inputs) -> CrossAttention:
    head_size = inputs["x"].width // spec.num_heads
    return CrossAttention(
        hidden_size=inputs["x"].width,
        memory_size=inputs["memory"].width,
        num_heads=spec.num_heads,
        head_size=head_size,
        scale=1 / math.sqrt(head_size),
        bias=spec.bias,
        dropout=spec.dropout,
    )


@build.register
def _unscaled_cross_attention(spec: specs.UnscaledCrossAttention, inputs: Inputs) -> CrossAttention:
    return CrossAttention(
        hidden_size=inputs["x"].width,
        memory_size=inputs["memory"].width,
        num_heads=spec.num_heads,
        head_size=spec.head_size,
        scale=1.0,
        bias=spec.bias,
        dropout=spec.dropout,
    )
