"""The stack in Keras."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

import zoo_residual as specs
from zoo_spec.blocks.base import Inputs
from zoo_tf.blocks.base import Block
from zoo_tf.blocks.build import build, build_children


class ResidualLayer(Block):
    """``x + outer(relu(inner(norm(x))))``."""

    def __init__(
        self,
        *,
        norm: keras.layers.Layer,
        inner: keras.layers.Layer,
        activation: keras.layers.Layer,
        outer: keras.layers.Layer,
        dropout: keras.layers.Layer,
        **keras_: Any,
    ) -> None:
        super().__init__(**keras_)
        self.norm, self.inner, self.activation = norm, inner, activation
        self.outer, self.dropout = outer, dropout

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return x + self.dropout(self.outer(self.activation(self.inner(self.norm(x)))))


class ResidualStack(Block):
    """Layers one after the other."""

    def __init__(self, *, layers: list[keras.layers.Layer], **keras_: Any) -> None:
        super().__init__(**keras_)
        self.layers = layers

    def call(self, x: tf.Tensor) -> tf.Tensor:
        for layer in self.layers:
            x = layer(x)
        return x


@build.register
def _layer(spec: specs.ResidualLayer, inputs: Inputs) -> ResidualLayer:
    return ResidualLayer(**build_children(spec, inputs))


@build.register
def _stack(spec: specs.ResidualStack, inputs: Inputs) -> ResidualStack:
    return ResidualStack(layers=list(build_children(spec, inputs).values()))
