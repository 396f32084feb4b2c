"""An affine map of the last dimension."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from zoo_spec.blocks import dense as specs
from zoo_spec.blocks.base import Inputs
from zoo_tf.blocks.base import Block
from zoo_tf.blocks.build import build
from zoo_tf.blocks.sizes import sizes_of
from zoo_tf.precision import add_bias


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
        y = tf.matmul(flat, self.kernel)
        if self.bias is not None:
            y = add_bias(y, self.bias)
        return y if x.shape.rank == 2 else restore(y, x, self.out_features)


def restore(flat: tf.Tensor, x: tf.Tensor, width: int) -> tf.Tensor:
    """``flat [N, width]`` with the leading dimensions of ``x``, static where they are known."""
    return tf.reshape(flat, tf.shape(x) if width == x.shape[-1] else [*sizes_of(x)[:-1], width])


@build.register
def _dense(spec: specs.Dense, inputs: Inputs) -> Dense:
    return Dense(in_features=inputs["x"].width, out_features=spec.size, bias=spec.bias)
