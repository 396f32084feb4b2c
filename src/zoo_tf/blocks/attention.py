"""Multi-head attention."""

from __future__ import annotations

import math
from typing import Any

import keras
import tensorflow as tf

from zoo_spec.blocks import attention as specs
from zoo_spec.blocks.base import Inputs
from zoo_tf.blocks.attend import attend, join, split, visible
from zoo_tf.blocks.base import Block
from zoo_tf.blocks.build import build, build_children
from zoo_tf.blocks.dense import Dense
from zoo_tf.blocks.dropout import Dropout

# B batch, T tokens, D hidden, N heads, H head size.


class Attention(Block):
    """Multi-head scaled dot-product attention (Vaswani et al., 2017, 3.2)."""

    def __init__(
        self,
        *,
        hidden_size: int,
        num_heads: int,
        causal: bool,
        bias: bool,
        dropout: float,
        position: keras.layers.Layer | None = None,
        **keras_: Any,
    ) -> None:
        super().__init__(**keras_)
        self.num_heads = num_heads
        self.scale = 1 / math.sqrt(hidden_size // num_heads)
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
        self.position = position

    def call(
        self, x: tf.Tensor, *, example_ids: tf.Tensor | None = None, positions: tf.Tensor | None = None
    ) -> tf.Tensor:
        q_BNTH = split(self.query(x), self.num_heads)
        k_BNTH = split(self.key(x), self.num_heads)
        v_BNTH = split(self.value(x), self.num_heads)
        if self.position is not None:
            q_BNTH = self.position(q_BNTH, positions=positions)
            k_BNTH = self.position(k_BNTH, positions=positions)
        mixed_BNTH = attend(
            q_BNTH,
            k_BNTH,
            v_BNTH,
            scale=self.scale,
            mask=self._visible(example_ids, x),
            dropout=self.dropout,
        )
        return self.project(join(mixed_BNTH))

    def _visible(self, example_ids: tf.Tensor | None, x_BTD: tf.Tensor) -> tf.Tensor | None:
        return visible(example_ids, tf.shape(x_BTD)[1], self.causal)


class BandedAttention(Attention):
    """Attention to the positions less than ``window`` away alone (Child et al., 2019)."""

    def __init__(
        self,
        *,
        hidden_size: int,
        num_heads: int,
        causal: bool,
        bias: bool,
        dropout: float,
        window: int,
        position: keras.layers.Layer | None = None,
        **keras_: Any,
    ) -> None:
        super().__init__(
            hidden_size=hidden_size,
            num_heads=num_heads,
            causal=causal,
            bias=bias,
            dropout=dropout,
            position=position,
            **keras_,
        )
        self.window = window

    def _visible(self, example_ids: tf.Tensor | None, x_BTD: tf.Tensor) -> tf.Tensor:
        place = tf.range(tf.shape(x_BTD)[1])
        near = tf.abs(place[:, None] - place[None, :]) < self.window
        others = visible(example_ids, tf.shape(x_BTD)[1], self.causal)
        return near if others is None else near & others


@build.register
def _attention(spec: specs.Attention, inputs: Inputs) -> Attention:
    return Attention(**_arguments(spec, inputs))


@build.register
def _banded_attention(spec: specs.BandedAttention, inputs: Inputs) -> BandedAttention:
    return BandedAttention(**_arguments(spec, inputs), window=spec.window)


def _arguments(spec: specs.Attention, inputs: Inputs) -> dict[str, Any]:
    return {
        "hidden_size": inputs["x"].width,
        "num_heads": spec.num_heads,
        "causal": spec.mask == "causal",
        "bias": spec.bias,
        "dropout": spec.dropout,
        "position": build_children(spec, inputs).get("position"),
    }
