"""Convolution along time, the same for every block that has one."""

from __future__ import annotations

import tensorflow as tf

from zoo_tf.precision import at_least_float32

FEW = 16
"""Channels below which half width is no choice.

oneDNN's own convolution of bfloat16 along time gives noise there, on processors that multiply tiles of it (AMX), from
kernels of 8 on (torch 2.13 and TensorFlow 2.21; in two dimensions and backward it is right).
"""


def convolve1d(x_BTC: tf.Tensor, kernel: tf.Tensor, *, stride: int = 1) -> tf.Tensor:
    """Cross-correlation without padding of ``x [B, T, C]`` with ``kernel [K, C, C']``."""
    if kernel.shape[1] >= FEW:
        return tf.nn.conv1d(x_BTC, kernel, stride, "VALID")
    y = tf.nn.conv1d(at_least_float32(x_BTC), at_least_float32(kernel), stride, "VALID")
    return tf.cast(y, x_BTC.dtype)
