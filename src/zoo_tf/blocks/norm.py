"""Norms over the last dimension, computed in float32 or wider."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from zoo_spec.blocks import norm as specs
from zoo_spec.blocks.base import Inputs
from zoo_tf.blocks.base import Block
from zoo_tf.blocks.build import build
from zoo_tf.precision import at_least_float32


class LayerNorm(Block):
    """``(x - mean) / sqrt(variance + epsilon) * gamma + beta``."""

    def __init__(self, *, size: int, epsilon: float, **keras_: Any) -> None:
        super().__init__(**keras_)
        self.epsilon = epsilon
        self.gamma = self.add_weight(shape=(size,), initializer="ones", name="gamma", autocast=False)
        self.beta = self.add_weight(shape=(size,), initializer="zeros", name="beta", autocast=False)

    def call(self, x: tf.Tensor) -> tf.Tensor:
        wide = at_least_float32(x)
        mean = tf.reduce_mean(wide, -1, keepdims=True)
        centred = wide - mean
        variance = tf.reduce_mean(tf.square(centred), -1, keepdims=True)
        inverse = tf.math.rsqrt(variance + tf.constant(self.epsilon, wide.dtype))
        gamma, beta = (
            tf.cast(tf.convert_to_tensor(weight), wide.dtype) for weight in (self.gamma, self.beta)
        )
        return tf.cast(centred * inverse * gamma + beta, x.dtype)


class RmsNorm(Block):
    """``x / sqrt(mean(x^2) + epsilon) * gamma``."""

    def __init__(self, *, size: int, epsilon: float, **keras_: Any) -> None:
        super().__init__(**keras_)
        self.epsilon = epsilon
        self.gamma = self.add_weight(shape=(size,), initializer="ones", name="gamma", autocast=False)

    def call(self, x: tf.Tensor) -> tf.Tensor:
        wide = at_least_float32(x)
        mean_square = tf.reduce_mean(tf.square(wide), -1, keepdims=True)
        inverse = tf.math.rsqrt(mean_square + tf.constant(self.epsilon, wide.dtype))
        gamma = tf.cast(tf.convert_to_tensor(self.gamma), wide.dtype)
        return tf.cast(wide * inverse * gamma, x.dtype)


@build.register
def _layer_norm(spec: specs.LayerNorm, inputs: Inputs) -> LayerNorm:
    return LayerNorm(size=inputs["x"].width, epsilon=spec.epsilon)


@build.register
def _rms_norm(spec: specs.RmsNorm, inputs: Inputs) -> RmsNorm:
    return RmsNorm(size=inputs["x"].width, epsilon=spec.epsilon)
