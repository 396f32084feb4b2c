"""Activations, in float32 or wider, and with constants of that dtype: TensorFlow's own pass through float32.

The derivatives of GELU are written out. TensorFlow's own, an operation for each of the formula's, pass over memory
twice as often, and keep six tensors of the widest width that a layer has, where two will do. Out of training, where
no derivative is asked for, GELU has the form that TensorFlow's rewriter knows, and computes with the product before.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import tensorflow as tf

from zoo_spec.blocks import activation as specs
from zoo_spec.blocks.base import Inputs
from zoo_tf.blocks.base import Block
from zoo_tf.blocks.build import build
from zoo_tf.derivatives import Derivative, is_watched, with_derivative
from zoo_tf.precision import at_least_float32

CUBIC = 0.044715
"""Of the polynomial in GELU's form by tanh (Hendrycks & Gimpel, 2016, 2)."""


class Relu(Block):
    """max(x, 0)."""

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return tf.nn.relu(x)


class GeluErf(Block):
    """x Phi(x) by the error function."""

    def call(self, x: tf.Tensor, *, training: bool | None = None) -> tf.Tensor:
        return _gelu(x, training, _by_erf, _fused_erf)


class GeluTanh(Block):
    """x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) / 2."""

    def call(self, x: tf.Tensor, *, training: bool | None = None) -> tf.Tensor:
        return _gelu(x, training, _by_tanh, _fused_tanh)


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


def _gelu(
    x: tf.Tensor,
    training: bool | None,
    learned: Callable[[tf.Tensor], tuple[tf.Tensor, Derivative]],
    fused: Callable[[tf.Tensor], tf.Tensor],
) -> tf.Tensor:
    wide = at_least_float32(x)
    if training or wide is not x or is_watched(x):
        return tf.cast(with_derivative(learned, wide), x.dtype)
    return fused(x)


def _by_erf(wide: tf.Tensor) -> tuple[tf.Tensor, Derivative]:
    half = tf.constant(0.5, wide.dtype)
    share = half * _erf(wide) + half

    def slope(dy: tf.Tensor) -> list[tf.Tensor]:
        with tf.control_dependencies([dy]):  # Or a graph would compute it forward, and keep it.
            density = tf.exp(-half * tf.square(wide)) * tf.constant(1 / math.sqrt(2 * math.pi), wide.dtype)
        return [dy * (share + wide * density)]

    return wide * share, slope


def _by_tanh(wide: tf.Tensor) -> tuple[tf.Tensor, Derivative]:
    # (1 + tanh(z)) / 2 is the logistic function of 2 z, of which TensorFlow has the derivative in one pass.
    cubic, root, three = (tf.constant(value, wide.dtype) for value in (CUBIC, math.sqrt(8 / math.pi), 3.0))
    share = tf.sigmoid(wide * (root + root * cubic * tf.square(wide)))

    def slope(dy: tf.Tensor) -> list[tf.Tensor]:
        with tf.control_dependencies([dy]):  # Or a graph would compute it forward, and keep it.
            inner = wide * (root + three * root * cubic * tf.square(wide))
        return [dy * (share + tf.raw_ops.SigmoidGrad(y=share, dy=inner))]

    return wide * share, slope


def _fused_erf(wide: tf.Tensor) -> tf.Tensor:
    half, one = (tf.constant(value, wide.dtype) for value in (0.5, 1.0))
    return wide * (half * (one + _erf(wide)))


def _erf(wide: tf.Tensor) -> tf.Tensor:
    return tf.math.erf(wide * tf.constant(math.sqrt(0.5), wide.dtype))


def _fused_tanh(wide: tf.Tensor) -> tf.Tensor:
    half, one = (tf.constant(value, wide.dtype) for value in (0.5, 1.0))
    cubic, root = (tf.constant(value, wide.dtype) for value in (CUBIC, math.sqrt(2 / math.pi)))
    return half * wide * (one + tf.tanh(root * (wide + cubic * wide * wide * wide)))


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
