"""Feed-forward blocks: mixing along the features, position by position."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from zoo_spec.blocks import feed_forward as specs
from zoo_spec.blocks.base import Inputs
from zoo_tf.blocks.base import Block
from zoo_tf.blocks.build import build, build_children
from zoo_tf.blocks.dense import Dense
from zoo_tf.blocks.dropout import Dropout


class FeedForward(Block):
    """``outer(activation(inner(x)))``: ``[..., hidden]`` to the same shape."""

    def __init__(
        self,
        *,
        hidden_size: int,
        size: int,
        bias: bool,
        activation: keras.layers.Layer,
        dropout: float = 0.0,
        **keras_: Any,
    ) -> None:
        super().__init__(**keras_)
        dtype = self.dtype_policy
        self.inner = Dense(in_features=hidden_size, out_features=size, bias=bias, dtype=dtype)
        self.activation = activation
        self.dropout = Dropout(rate=dropout, dtype=dtype)
        self.outer = Dense(in_features=size, out_features=hidden_size, bias=bias, dtype=dtype)

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return self.outer(self.dropout(self.activation(self.inner(x))))


class GatedFeedForward(Block):
    """``outer(activation(gate(x)) * inner(x))``: ``[..., hidden]`` to the same shape."""

    def __init__(
        self,
        *,
        hidden_size: int,
        size: int,
        bias: bool,
        activation: keras.layers.Layer,
        dropout: float = 0.0,
        **keras_: Any,
    ) -> None:
        super().__init__(**keras_)
        dtype = self.dtype_policy
        self.gate = Dense(in_features=hidden_size, out_features=size, bias=bias, dtype=dtype)
        self.inner = Dense(in_features=hidden_size, out_features=size, bias=bias, dtype=dtype)
        self.activation = activation
        self.dropout = Dropout(rate=dropout, dtype=dtype)
        self.outer = Dense(in_features=size, out_features=hidden_size, bias=bias, dtype=dtype)

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return self.outer(self.dropout(self.activation(self.gate(x)) * self.inner(x)))


@build.register
def _feed_forward(spec: specs.FeedForward, inputs: Inputs) -> FeedForward:
    return FeedForward(**_arguments(spec, inputs))


@build.register
def _gated_feed_forward(spec: specs.GatedFeedForward, inputs: Inputs) -> GatedFeedForward:
    return GatedFeedForward(**_arguments(spec, inputs))


def _arguments(spec: specs.FeedForwardBlock, inputs: Inputs) -> dict[str, Any]:
    return {
        "hidden_size": inputs["x"].width,
        "size": spec.size,
        "bias": spec.bias,
        "activation": build_children(spec, inputs)["activation"],
        "dropout": spec.dropout,
    }
