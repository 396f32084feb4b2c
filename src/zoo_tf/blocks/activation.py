"""Activations, in float32 or wider, and with constants of that dtype: TensorFlow's own pass through float32."""

from __future__ import annotations

import math

import tensorflow as tf

from zoo_spec.blocks import activation as specs
from zoo_spec.blocks.base import Inputs
from zoo_tf.blocks.base import Block
from zoo_tf.blocks.build import build
from zoo_tf.precision import at_least_float32


class Relu(Block):
    """max(x, 0)."""

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return tf.nn.relu(x)


class GeluErf(Block):
    """x Phi(x) by the error function."""

    def call(self, x: tf.Tensor) -> tf.Tensor:
        wide = at_least_float32(x)
        half, root = (tf.constant(value, wide.dtype) for value in (0.5, math.sqrt(0.5)))
        one = tf.constant(1.0, wide.dtype)
        return tf.cast(half * wide * (one + tf.math.erf(wide * root)), x.dtype)


class GeluTanh(Block):
    """x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) / 2."""

    def call(self, x: tf.Tensor) -> tf.Tensor:
        wide = at_least_float32(x)
        half, cubic, root = (
            tf.constant(value, wide.dtype) for value in (0.5, 0.044715, math.sqrt(2 / math.pi))
        )
        one = tf.constant(1.0, wide.dtype)
        inner = tf.tanh(root * (wide + cubic * wide * wide * wide))
        return tf.cast(half * wide * (one + inner), x.dtype)


class Silu(Block):
    """x sigmoid(x)."""

    def call(self, x: tf.Tensor) -> tf.Tensor:
        wide = at_least_float32(x)
        return tf.cast(wide * tf.sigmoid(wide), x.dtype)


class Tanh(Block):
    """Hyperbolic tangent."""

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return tf.tanh(x)


class Sigmoid(Block):
    """Logistic function."""

    def call(self, x: tf.Tensor) -> tf.Tensor:
        # TensorFlow's own of bfloat16 is off by more than two roundings.
        return tf.cast(tf.sigmoid(at_least_float32(x)), x.dtype)


class Identity(Block):
    """The input, unchanged."""

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return x


@build.register
def _relu(spec: specs.Relu, inputs: Inputs) -> Block:
    return Relu()


@build.register
def _gelu_erf(spec: specs.GeluErf, inputs: Inputs) -> Block:
    return GeluErf()


@build.register
def _gelu_tanh(spec: specs.GeluTanh, inputs: Inputs) -> Block:
    return GeluTanh()


@build.register
def _silu(spec: specs.Silu, inputs: Inputs) -> Block:
    return Silu()


@build.register
def _tanh(spec: specs.Tanh, inputs: Inputs) -> Block:
    return Tanh()


@build.register
def _sigmoid(spec: specs.Sigmoid, inputs: Inputs) -> Block:
    return Sigmoid()


@build.register
def _identity(spec: specs.Identity, inputs: Inputs) -> Block:
    return Identity()
