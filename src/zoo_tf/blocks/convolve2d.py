"""Convolution of images and its transpose in half width, where oneDNN's own is noise.

Which is so where processors multiply bfloat16 (``zoo_common.processors.MULTIPLIES_BFLOAT16``), and of the gradient of
a transposed one too, which is a convolution. A convolution's gradients are right. That of its input is a transposed
convolution; so is, of the kernel turned over, a convolution that moves by one cell (Dumoulin and Visin, 2016, 4.1 to
4.3). There all is done by these, and in float32 what cannot be.
"""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf
from tensorflow.python.eager import record

from zoo_common.processors import MULTIPLIES_BFLOAT16
from zoo_tf.derivatives import Derivative, with_derivative
from zoo_tf.precision import at_least_float32

Pair = tuple[int, int]
_BY_ONE = (1, 1)
_SAME, _VALID = "SAME", "VALID"


def convolve2d(x_BHWC: tf.Tensor, kernel: tf.Tensor, stride: Pair, padding: str) -> tf.Tensor:
    """``tf.nn.conv2d`` of ``x [B, H, W, C]`` with ``kernel [h, w, C, C']``."""
    if not _is_wrong(x_BHWC):
        return tf.nn.conv2d(x_BHWC, kernel, stride, padding)
    if stride != _BY_ONE or not all(size % 2 for size in kernel.shape[:2]):
        return _in_float32(x_BHWC, kernel, stride, padding)

    def gradients(gradient: tf.Tensor, x: tf.Tensor, kernel: tf.Tensor) -> list[tf.Tensor]:
        return [
            tf.nn.conv2d_transpose(gradient, kernel, tf.shape(x), stride, padding),
            _kernel_gradient(x, gradient, kernel.shape, stride, padding),
        ]

    return _with_gradients(lambda x, kernel: _turned(x, kernel, padding), gradients, x_BHWC, kernel)


def convolve2d_transposed(
    x_BHWC: tf.Tensor, kernel: tf.Tensor, shape: list[tf.Tensor | int], stride: Pair
) -> tf.Tensor:
    """``tf.nn.conv2d_transpose`` of ``x [B, H, W, C]`` with ``kernel [h, w, C', C]``, whole."""

    def transposed(x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        return tf.nn.conv2d_transpose(x, kernel, shape, stride, _VALID)

    def gradients(gradient: tf.Tensor, x: tf.Tensor, kernel: tf.Tensor) -> list[tf.Tensor]:
        return [
            _in_float32(gradient, kernel, stride, _VALID),
            _kernel_gradient(gradient, x, kernel.shape, stride, _VALID),
        ]

    if not _is_wrong(x_BHWC):
        return transposed(x_BHWC, kernel)
    return _with_gradients(transposed, gradients, x_BHWC, kernel)


def _is_wrong(x: tf.Tensor) -> bool:
    """Whether oneDNN would convolve it, and might do so wrongly."""
    return (
        MULTIPLIES_BFLOAT16
        and x.dtype in (tf.bfloat16, tf.float16)
        and not tf.config.list_physical_devices("GPU")
    )


def _with_gradients(
    function: Callable[[tf.Tensor, tf.Tensor], tf.Tensor],
    gradients: Callable[[tf.Tensor, tf.Tensor, tf.Tensor], list[tf.Tensor]],
    x: tf.Tensor,
    kernel: tf.Tensor,
) -> tf.Tensor:
    """``function`` of both, with these gradients; in float32 where they are to be differentiated again, or may be."""

    def of_both(x: tf.Tensor, kernel: tf.Tensor) -> tuple[tf.Tensor, Derivative]:
        def exact(gradient: tf.Tensor) -> list[tf.Tensor]:
            found = gradients(*map(at_least_float32, (gradient, x, kernel)))
            return [tf.cast(each, x.dtype) for each in found]

        def derivative(gradient: tf.Tensor) -> list[tf.Tensor]:
            return exact(gradient) if record.could_possibly_record() else gradients(gradient, x, kernel)

        found = function(x, kernel)
        if not tf.executing_eagerly():  # A graph may be differentiated later, when no tape has seen this.
            found, *_ = tf.raw_ops.IdentityN(input=[found, x, kernel])
            found.op._gradient_function = lambda _, gradient, *others: [None, *exact(gradient)]
        return found, derivative

    return with_derivative(of_both, x, kernel)


def _turned(x_BHWC: tf.Tensor, kernel: tf.Tensor, padding: str) -> tf.Tensor:
    """The convolution by one cell, as a transposed one."""
    over = tf.transpose(kernel[::-1, ::-1], [0, 1, 3, 2])
    shape = tf.concat([tf.shape(x_BHWC)[:3], kernel.shape[3:]], 0)
    y_BHWC = tf.nn.conv2d_transpose(x_BHWC, over, shape, _BY_ONE, _SAME)
    y_BHWC.set_shape([*x_BHWC.shape[:3], kernel.shape[3]])
    if padding == _VALID:
        rows, columns = (size // 2 for size in kernel.shape[:2])
        y_BHWC = y_BHWC[:, rows : -rows or None, columns : -columns or None]
    return y_BHWC


def _in_float32(x: tf.Tensor, kernel: tf.Tensor, stride: Pair, padding: str) -> tf.Tensor:
    wide = tf.nn.conv2d(at_least_float32(x), at_least_float32(kernel), stride, padding)
    return tf.cast(wide, x.dtype)


def _kernel_gradient(
    x: tf.Tensor, gradient: tf.Tensor, shape: tf.TensorShape, stride: Pair, padding: str
) -> tf.Tensor:
    return tf.raw_ops.Conv2DBackpropFilter(
        input=x, filter_sizes=shape, out_backprop=gradient, strides=[1, *stride, 1], padding=padding
    )
