"""Activations, in float32 or wider, and with constants of that dtype: TensorFlow's own pass through float32.

The derivatives of GELU are written out. TensorFlow's own, an operation for each of the formula's, pass over memory
twice as often, and keep six tensors of the widest width that a layer has, where two will do.
"""

from __future__ import annotations

import math

import tensorflow as tf

from zoo_spec.blocks import activation as specs
from zoo_spec.blocks.base import Inputs
from zoo_tf.blocks.base import Block
from zoo_tf.blocks.build import build
from zoo_tf.derivatives import Derivative, with_derivative
from zoo_tf.precision import at_least_float32


class Relu(Block):
    """max(x, 0)."""

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return tf.nn.relu(x)


class GeluErf(Block):
    """x Phi(x) by the error function."""

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return tf.cast(with_derivative(_by_erf, at_least_float32(x)), x.dtype)


class GeluTanh(Block):
    """x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) / 2."""

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return tf.cast(with_derivative(_by_tanh, at_least_float32(x)), x.dtype)


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


def _by_erf(wide: tf.Tensor) -> tuple[tf.Tensor, Derivative]:
    half, root = (tf.constant(value, wide.dtype) for value in (0.5, math.sqrt(0.5)))
    share = half * tf.math.erf(wide * root) + half

    def slope(dy: tf.Tensor) -> list[tf.Tensor]:
        with tf.control_dependencies([dy]):  # Or a graph would compute it forward, and keep it.
            density = tf.exp(-half * tf.square(wide)) * tf.constant(1 / math.sqrt(2 * math.pi), wide.dtype)
        return [dy * (share + wide * density)]

    return wide * share, slope


def _by_tanh(wide: tf.Tensor) -> tuple[tf.Tensor, Derivative]:
    # (1 + tanh(z)) / 2 is the logistic function of 2 z, of which TensorFlow has the derivative in one pass.
    cubic, root, three = (tf.constant(value, wide.dtype) for value in (0.044715, math.sqrt(8 / math.pi), 3.0))
    share = tf.sigmoid(wide * (root + root * cubic * tf.square(wide)))

    def slope(dy: tf.Tensor) -> list[tf.Tensor]:
        with tf.control_dependencies([dy]):  # Or a graph would compute it forward, and keep it.
            inner = wide * (root + three * root * cubic * tf.square(wide))
        return [dy * (share + tf.raw_ops.SigmoidGrad(y=share, dy=inner))]

    return wide * share, slope


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
