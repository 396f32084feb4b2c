"""An affine map of the last dimension."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from zoo_spec.blocks import dense as specs
from zoo_spec.blocks.base import Inputs
from zoo_tf.blocks.base import Block
from zoo_tf.blocks.build import build
from zoo_tf.blocks.sizes import sizes_of
from zoo_tf.derivatives import Derivative, is_watched, with_derivative
from zoo_tf.precision import add_bias

# R rows, K features, N features that are made.


class Dense(Block):
    """``y = x kernel + bias``: ``[..., in_features]`` to ``[..., out_features]``.

    Keras' own would broadcast the kernel over the leading dimensions; one flat product is what oneDNN is
    fastest at, forward and backward.
    """

    def __init__(self, *, in_features: int, out_features: int, bias: bool, **keras_: Any) -> None:
        super().__init__(**keras_)
        self.out_features = out_features
        self.kernel = self.add_weight(shape=(in_features, out_features), initializer="zeros", name="kernel")
        self.bias = self.add_weight(shape=(out_features,), initializer="zeros", name="bias") if bias else None

    def call(self, x: tf.Tensor) -> tf.Tensor:
        flat = x if x.shape.rank == 2 else tf.reshape(x, [-1, x.shape[-1]])
        y = _product(flat, tf.convert_to_tensor(self.kernel))
        if self.bias is not None:
            y = add_bias(y, self.bias)
        return y if x.shape.rank == 2 else restore(y, x, self.out_features)


def _product(x_RK: tf.Tensor, kernel_KN: tf.Tensor) -> tf.Tensor:
    """``x kernel``. In TensorFlow's own derivative a kernel is turned as ``turned_product`` does better."""
    needed = [is_watched(each) for each in (x_RK, kernel_KN)]

    def product(x_RK: tf.Tensor, kernel_KN: tf.Tensor) -> tuple[tf.Tensor, Derivative]:
        def derivatives(dy_RN: tf.Tensor) -> list[tf.Tensor | None]:
            return [
                _back(dy_RN, kernel_KN) if needed[0] else None,
                tf.matmul(x_RK, dy_RN, transpose_a=True) if needed[1] else None,
            ]

        return tf.matmul(x_RK, kernel_KN), derivatives

    return with_derivative(product, x_RK, kernel_KN)


def _back(dy_RN: tf.Tensor, kernel_KN: tf.Tensor) -> tf.Tensor:
    inner, outer = kernel_KN.shape
    return (
        turned_product(dy_RN, kernel_KN) if inner <= outer else tf.matmul(dy_RN, kernel_KN, transpose_b=True)
    )


def turned_product(x_RK: tf.Tensor, weight_NK: tf.Tensor) -> tf.Tensor:
    """``x weight^T``, ``[R, N]``, as a batch of one product.

    On a CPU a single product of float32 copies the turned weight first (TensorFlow 2.21 with oneDNN): it took 1.3
    times as long at 1,024 rows of 3,072 for 768, and 1.9 times at 64 rows of 512 for 32,128. Only where few features
    make more and rows are many it took a thirtieth less. In bfloat16 and float64 both take the same.
    """
    batch_1RN = tf.matmul(tf.expand_dims(x_RK, 0), tf.expand_dims(weight_NK, 0), transpose_b=True)
    return tf.squeeze(batch_1RN, 0)


def restore(flat: tf.Tensor, x: tf.Tensor, width: int) -> tf.Tensor:
    """``flat [N, width]`` with the leading dimensions of ``x``, static where they are known."""
    return tf.reshape(flat, tf.shape(x) if width == x.shape[-1] else [*sizes_of(x)[:-1], width])


@build.register
def _dense(spec: specs.Dense, inputs: Inputs) -> Dense:
    return Dense(in_features=inputs["x"].width, out_features=spec.size, bias=spec.bias)
