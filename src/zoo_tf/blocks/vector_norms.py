"""Layer norm and RMS norm, their derivatives written out (Ba et al., 2016, equation 4; Zhang & Sennrich, 2019, 4).

TensorFlow's of the formula, an operation each, pass over memory twice as often, and keep three tensors of the input's
size, where the normalised one will do.
"""

from __future__ import annotations

import tensorflow as tf

from zoo_tf.blocks.dense import restore
from zoo_tf.derivatives import Derivative, with_derivative

# N vectors, D features.


def layer_norm(x: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor, epsilon: float) -> tf.Tensor:
    """``(x - mean) / sqrt(variance + epsilon) * gamma + beta`` of each vector of ``x [..., D]``."""

    def norm(x_ND: tf.Tensor, gamma_D: tf.Tensor, beta_D: tf.Tensor) -> tuple[tf.Tensor, Derivative]:
        centred_ND = x_ND - tf.reduce_mean(x_ND, 1, keepdims=True)
        variance_N1 = tf.reduce_mean(tf.square(centred_ND), 1, keepdims=True)
        inverse_N1 = tf.math.rsqrt(variance_N1 + tf.constant(epsilon, x_ND.dtype))
        normal_ND = centred_ND * inverse_N1

        def derivatives(dy_ND: tf.Tensor) -> tuple[tf.Tensor, ...]:
            along_ND = dy_ND * normal_ND
            centre_N1, slope_N1 = _mean(dy_ND, gamma_D), _mean(along_ND, gamma_D)
            dx_ND = (dy_ND * gamma_D - normal_ND * slope_N1 - centre_N1) * inverse_N1
            return dx_ND, tf.reduce_sum(along_ND, 0), tf.reduce_sum(dy_ND, 0)

        return normal_ND * gamma_D + beta_D, derivatives

    return restore(with_derivative(norm, _flat(x), gamma, beta), x, x.shape[-1])


def rms_norm(x: tf.Tensor, gamma: tf.Tensor, epsilon: float) -> tf.Tensor:
    """``x / sqrt(mean(x^2) + epsilon) * gamma`` of each vector of ``x [..., D]``."""

    def norm(x_ND: tf.Tensor, gamma_D: tf.Tensor) -> tuple[tf.Tensor, Derivative]:
        mean_square_N1 = tf.reduce_mean(tf.square(x_ND), 1, keepdims=True)
        inverse_N1 = tf.math.rsqrt(mean_square_N1 + tf.constant(epsilon, x_ND.dtype))
        normal_ND = x_ND * inverse_N1

        def derivatives(dy_ND: tf.Tensor) -> tuple[tf.Tensor, ...]:
            along_ND = dy_ND * normal_ND
            slope_N1 = _mean(along_ND, gamma_D)
            dx_ND = (dy_ND * gamma_D - normal_ND * slope_N1) * inverse_N1
            return dx_ND, tf.reduce_sum(along_ND, 0)

        return normal_ND * gamma_D, derivatives

    return restore(with_derivative(norm, _flat(x), gamma), x, x.shape[-1])


def _flat(x: tf.Tensor) -> tf.Tensor:
    return tf.reshape(x, [-1, x.shape[-1]])


def _mean(x_ND: tf.Tensor, gamma_D: tf.Tensor) -> tf.Tensor:
    """``mean(x gamma)`` of each vector, in one pass."""
    return tf.matmul(x_ND, tf.expand_dims(gamma_D, 1)) / tf.constant(int(x_ND.shape[-1]), x_ND.dtype)
