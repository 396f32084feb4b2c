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


class FeedForward(Block):
    """``outer(activation(inner(x)))``: ``[..., hidden]`` to the same shape."""

    def __init__(
        self, *, hidden_size: int, size: int, bias: bool, activation: keras.layers.Layer, **keras_: Any
    ) -> None:
        super().__init__(**keras_)
        dtype = self.dtype_policy
        self.inner = Dense(in_features=hidden_size, out_features=size, bias=bias, dtype=dtype)
        self.activation = activation
        self.outer = Dense(in_features=size, out_features=hidden_size, bias=bias, dtype=dtype)

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return self.outer(self.activation(self.inner(x)))


class GatedFeedForward(Block):
    """``outer(activation(gate(x)) * inner(x))``: ``[..., hidden]`` to the same shape."""

    def __init__(
        self, *, hidden_size: int, size: int, bias: bool, activation: keras.layers.Layer, **keras_: Any
    ) -> None:
        super().__init__(**keras_)
        dtype = self.dtype_policy
        self.gate = Dense(in_features=hidden_size, out_features=size, bias=bias, dtype=dtype)
        self.inner = Dense(in_features=hidden_size, out_features=size, bias=bias, dtype=dtype)
        self.activation = activation
        self.outer = Dense(in_features=size, out_features=hidden_size, bias=bias, dtype=dtype)

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return self.outer(self.activation(self.gate(x)) * self.inner(x))


@build.register
def _feed_forward(spec: specs.FeedForward, inputs: Inputs) -> FeedForward:
    activation = build_children(spec, inputs)["activation"]
    return FeedForward(hidden_size=inputs["x"].width, size=spec.size, bias=spec.bias, activation=activation)


@build.register
def _gated_feed_forward(spec: specs.GatedFeedForward, inputs: Inputs) -> GatedFeedForward:
    activation = build_children(spec, inputs)["activation"]
    return GatedFeedForward(
        hidden_size=inputs["x"].width, size=spec.size, bias=spec.bias, activation=activation
    )
