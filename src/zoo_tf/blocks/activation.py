"""Activations, with every constant in the input's own dtype: TensorFlow's pass through float32."""

from __future__ import annotations

import math

import tensorflow as tf

from zoo_spec.blocks import activation as specs
from zoo_spec.blocks.base import Inputs
from zoo_tf.blocks.base import Block
from zoo_tf.blocks.build import build


class Relu(Block):
    """max(x, 0)."""

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return tf.nn.relu(x)


class GeluErf(Block):
    """x Phi(x) by the error function."""

    def call(self, x: tf.Tensor) -> tf.Tensor:
        half, root = (tf.constant(value, x.dtype) for value in (0.5, math.sqrt(0.5)))
        one = tf.constant(1.0, x.dtype)
        return half * x * (one + tf.math.erf(x * root))


class GeluTanh(Block):
    """x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) / 2."""

    def call(self, x: tf.Tensor) -> tf.Tensor:
        half, cubic, root = (tf.constant(value, x.dtype) for value in (0.5, 0.044715, math.sqrt(2 / math.pi)))
        one = tf.constant(1.0, x.dtype)
        return half * x * (one + tf.tanh(root * (x + cubic * x * x * x)))


class Silu(Block):
    """x sigmoid(x)."""

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return x * tf.sigmoid(x)


class Tanh(Block):
    """Hyperbolic tangent."""

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return tf.tanh(x)


class Sigmoid(Block):
    """Logistic function."""

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return tf.sigmoid(x)


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
