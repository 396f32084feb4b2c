"""Positions by a convolution over what is around (wav2vec 2.0, Baevski et al., 2020, 2)."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from zoo_spec.blocks import convolutional_position as specs
from zoo_spec.blocks.base import Inputs
from zoo_tf.blocks.base import Block
from zoo_tf.blocks.build import build, build_children
from zoo_tf.blocks.convolve1d import convolve1d
from zoo_tf.precision import add_bias

# B batch, T frames, D hidden, K the kernel's length.


class ConvolutionalPosition(Block):
    """Adds ``activation(convolution(x))`` in groups of channels to ``x [B, T, D]``."""

    def __init__(
        self,
        *,
        hidden_size: int,
        size: int,
        groups: int,
        activation: keras.layers.Layer,
        **keras_: Any,
    ) -> None:
        super().__init__(**keras_)
        self.size = size
        self.groups = groups
        self.gain = self.add_weight(shape=(1, 1, size), initializer="ones", name="gain", autocast=False)
        self.direction = self.add_weight(
            shape=(hidden_size, hidden_size // groups, size),
            initializer="zeros",
            name="direction",
            autocast=False,
        )
        self.bias = self.add_weight(shape=(hidden_size,), initializer="zeros", name="bias")
        self.activation = activation

    def call(self, x: tf.Tensor, *, positions: tf.Tensor | None = None) -> tf.Tensor:
        direction = tf.convert_to_tensor(self.direction)
        length = tf.sqrt(tf.reduce_sum(tf.square(direction), [0, 1], keepdims=True))
        kernel = tf.cast(direction * (tf.convert_to_tensor(self.gain) / length), x.dtype)
        padded = tf.pad(x, [[0, 0], [self.size // 2, (self.size - 1) // 2], [0, 0]])
        # One convolution a group: the gradient of a grouped one raises in float64 on the CPU (TensorFlow 2.21).
        parts = zip(tf.split(padded, self.groups, axis=2), tf.split(kernel, self.groups), strict=True)
        y_BTD = tf.concat(
            [convolve1d(part, tf.transpose(inside, [2, 1, 0])) for part, inside in parts], axis=2
        )
        return x + self.activation(add_bias(y_BTD, self.bias))


@build.register
def _convolutional_position(spec: specs.ConvolutionalPosition, inputs: Inputs) -> ConvolutionalPosition:
    return ConvolutionalPosition(
        hidden_size=inputs["x"].width,
        size=spec.size,
        groups=spec.groups,
        activation=build_children(spec, inputs)["activation"],
    )
