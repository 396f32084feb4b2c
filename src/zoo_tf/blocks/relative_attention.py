"""Attention whose scores are biased by the positions' distance."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from zoo_spec.blocks import relative_attention as specs
from zoo_spec.blocks.base import Inputs
from zoo_tf.blocks.attend import attend, join, split, visible
from zoo_tf.blocks.base import Block
from zoo_tf.blocks.build import build
from zoo_tf.blocks.dense import Dense
from zoo_tf.blocks.dropout import Dropout

# B batch, T tokens, N heads, H head size.


class RelativeAttention(Block):
    """T5's attention: no scale, ``position_bias [N, T, T]`` on the scores (Raffel et al., 2020, 2.1)."""

    def __init__(
        self,
        *,
        hidden_size: int,
        num_heads: int,
        head_size: int,
        causal: bool,
        bias: bool,
        dropout: float,
        **keras_: Any,
    ) -> None:
        super().__init__(**keras_)
        inner = num_heads * head_size
        dtype = self.dtype_policy
        self.num_heads = num_heads
        self.causal = causal
        self.query = Dense(in_features=hidden_size, out_features=inner, bias=bias, dtype=dtype)
        self.key = Dense(in_features=hidden_size, out_features=inner, bias=bias, dtype=dtype)
        self.value = Dense(in_features=hidden_size, out_features=inner, bias=bias, dtype=dtype)
        self.project = Dense(in_features=inner, out_features=hidden_size, bias=bias, dtype=dtype)
        self.dropout = Dropout(rate=dropout, dtype=dtype)

    def call(
        self, x: tf.Tensor, position_bias: tf.Tensor, *, example_ids: tf.Tensor | None = None
    ) -> tf.Tensor:
        q_BNTH = split(self.query(x), self.num_heads)
        k_BNTH = split(self.key(x), self.num_heads)
        v_BNTH = split(self.value(x), self.num_heads)
        mask = visible(example_ids, tf.shape(x)[1], self.causal)
        mixed_BNTH = attend(
            q_BNTH, k_BNTH, v_BNTH, scale=1.0, mask=mask, dropout=self.dropout, bias_NTS=position_bias
        )
        return self.project(join(mixed_BNTH))


@build.register
def _relative_attention(spec: specs.RelativeAttention, inputs: Inputs) -> RelativeAttention:
    return RelativeAttention(
        hidden_size=inputs["x"].width,
        num_heads=spec.num_heads,
        head_size=spec.head_size,
        causal=spec.mask == "causal",
        bias=spec.bias,
        dropout=spec.dropout,
    )
