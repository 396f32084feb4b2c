"""Convolution along time, the same for every block that has one."""

from __future__ import annotations

import tensorflow as tf

from zoo_tf.derivatives import Derivative, with_derivative
from zoo_tf.precision import at_least_float32

# B batch, T frames, C channels, K the kernel's length, S its stride.

FEW = 32
"""Channels below which half width is no choice: oneDNN's is noise where processors multiply bfloat16.

See ``zoo_common.processors.MULTIPLIES_BFLOAT16``. Of 9,600 random shapes none of 31 channels or more was wrong.
"""

SHORT = 8
"""Strides up to whose length a kernel has its gradient by products, of which there is one a stride."""


def convolve1d(x_BTC: tf.Tensor, kernel: tf.Tensor, *, stride: int = 1) -> tf.Tensor:
    """Cross-correlation without padding of ``x [B, T, C]`` with ``kernel [K, C, C']``."""
    if kernel.shape[1] >= FEW:
        return _convolved(x_BTC, kernel, stride)
    return tf.cast(_convolved(at_least_float32(x_BTC), at_least_float32(kernel), stride), x_BTC.dtype)


def _convolved(x_BTC: tf.Tensor, kernel: tf.Tensor, stride: int) -> tf.Tensor:
    """TensorFlow's own, but for the gradient of a kernel of few strides.

    TensorFlow's (2.21, on two cores) takes up to three times as long as the products, the more the longer ``x`` is,
    and twice as long in bfloat16.
    """

    def convolved(x_BTC: tf.Tensor, kernel: tf.Tensor) -> tuple[tf.Tensor, Derivative]:
        def derivative(gradient_BTC: tf.Tensor) -> list[tf.Tensor]:
            return [
                tf.nn.conv1d_transpose(gradient_BTC, kernel, tf.shape(x_BTC), stride, "VALID"),
                _kernel_gradient(x_BTC, gradient_BTC, kernel.shape, stride),
            ]

        return tf.nn.conv1d(x_BTC, kernel, stride, "VALID"), derivative

    if stride <= kernel.shape[0] <= SHORT * stride:
        return with_derivative(convolved, x_BTC, kernel)
    return tf.nn.conv1d(x_BTC, kernel, stride, "VALID")


def _kernel_gradient(
    x_BTC: tf.Tensor, gradient_BTC: tf.Tensor, shape: tf.TensorShape, stride: int
) -> tf.Tensor:
    """That of ``[K, C, C']``: products of a stride of each window, whose frames lie side by side in memory."""
    size, width, channels = shape
    frames = tf.shape(gradient_BTC)[1]
    gradient_NC = tf.reshape(gradient_BTC, [-1, channels])
    parts = []
    for first in range(0, size, stride):
        # The last stride begins early enough to end with the kernel, so that it is within x.
        start = min(first, size - stride)
        x_NSC = tf.reshape(x_BTC[:, start : start + frames * stride], [-1, stride, width])
        x_NC = tf.reshape(x_NSC[:, first - start :], [-1, (stride + start - first) * width])
        parts.append(tf.matmul(x_NC, gradient_NC, transpose_a=True))
    return tf.reshape(tf.concat(parts, 0), shape)
