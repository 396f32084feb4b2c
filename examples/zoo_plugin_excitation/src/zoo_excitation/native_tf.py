"""Squeeze-and-excitation (Hu et al., 2018): channels weighed by what the whole image shows."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from zoo_excitation import block as specs
from zoo_spec.blocks.base import Inputs
from zoo_tf.blocks.base import Block
from zoo_tf.blocks.build import build, build_children
from zoo_tf.precision import at_least_float32


class SqueezeExcitation(Block):
    """``x * gate(expand(activation(reduce(mean of x))))``: ``[batch, height, width, channels]`` to the same shape."""

    def __init__(
        self,
        *,
        reduce: keras.layers.Layer,
        activation: keras.layers.Layer,
        expand: keras.layers.Layer,
        gate: keras.layers.Layer,
        **keras_: Any,
    ) -> None:
        super().__init__(**keras_)
        self.reduce = reduce
        self.activation = activation
        self.expand = expand
        self.gate = gate

    def call(self, x: tf.Tensor) -> tf.Tensor:
        squeezed = tf.cast(tf.reduce_mean(at_least_float32(x), [1, 2]), x.dtype)
        weights = self.gate(self.expand(self.activation(self.reduce(squeezed))))
        return x * weights[:, None, None, :]


@build.register
def _squeeze_excitation(spec: specs.SqueezeExcitation, inputs: Inputs) -> SqueezeExcitation:
    return SqueezeExcitation(**build_children(spec, inputs))
