"""Convolution, its transpose and max-pool in two dimensions, over images ``[batch, height, width, channels]``."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from zoo_spec.blocks import convolution as specs
from zoo_spec.blocks.base import Inputs
from zoo_tf.blocks.base import Block
from zoo_tf.blocks.build import build
from zoo_tf.blocks.convolve2d import convolve2d, convolve2d_transposed
from zoo_tf.precision import add_bias

Pair = tuple[int, int]


class Conv2d(Block):
    """Cross-correlation with zeros as padding, stated as pairs (before, after) along height and width.

    TensorFlow is never told them: of a convolution with stated padding it has no fast gradients on a CPU (2.21). One
    of UNet's took a third longer in float32 than without, and forty times as long in bfloat16.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        channels: int,
        size: Pair,
        stride: Pair,
        padding: tuple[Pair, Pair],
        bias: bool,
        **keras_: Any,
    ) -> None:
        super().__init__(**keras_)
        self.stride = tuple(stride)
        self.pads = [[0, 0], *(list(pair) for pair in padding), [0, 0]]
        evenly = tuple(((length - 1) // 2, length // 2) for length in size)
        self.is_same = self.stride == (1, 1) and tuple(map(tuple, padding)) == evenly
        self.kernel = self.add_weight(
            shape=(*size, in_channels, channels), initializer="zeros", name="kernel"
        )
        self.bias = self.add_weight(shape=(channels,), initializer="zeros", name="bias") if bias else None

    def call(self, x: tf.Tensor) -> tf.Tensor:
        stride = self.stride
        if any(map(any, self.pads)) and not self.is_same:
            x = tf.pad(x, self.pads)
        if self.kernel.shape[:2] == (1, 1) and stride != (1, 1):
            # The kernel's gradient overruns memory on several threads (TensorFlow 2.21, CPU): skip steps beforehand.
            x = x[:, :: stride[0], :: stride[1]]
            stride = (1, 1)
        kernel, padding = tf.convert_to_tensor(self.kernel), "SAME" if self.is_same else "VALID"
        y = convolve2d(x, kernel, stride, padding)
        return y if self.bias is None else add_bias(y, self.bias)


class MaxPool2d(Block):
    """Largest value in each window, channel by channel."""

    def __init__(self, *, size: Pair, stride: Pair, **keras_: Any) -> None:
        super().__init__(**keras_)
        self.size = tuple(size)
        self.stride = tuple(stride)

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return tf.nn.max_pool2d(x, self.size, self.stride, "VALID")


class TransposedConv2d(Block):
    """The transpose of a convolution, whole: nothing is cut off."""

    def __init__(
        self, *, in_channels: int, channels: int, size: Pair, stride: Pair, bias: bool, **keras_: Any
    ) -> None:
        super().__init__(**keras_)
        self.size = tuple(size)
        self.stride = tuple(stride)
        self.channels = channels
        self.kernel = self.add_weight(
            shape=(*size, channels, in_channels), initializer="zeros", name="kernel"
        )
        self.bias = self.add_weight(shape=(channels,), initializer="zeros", name="bias") if bias else None

    def call(self, x: tf.Tensor) -> tf.Tensor:
        sizes = zip(x.shape[1:3], self.size, self.stride, strict=True)
        outer = [(old - 1) * stride + size for old, size, stride in sizes]
        shape = [tf.shape(x)[0], *outer, self.channels]
        y = convolve2d_transposed(x, tf.convert_to_tensor(self.kernel), shape, self.stride)
        return y if self.bias is None else add_bias(y, self.bias)


@build.register
def _conv2d(spec: specs.Conv2d, inputs: Inputs) -> Conv2d:
    return Conv2d(
        in_channels=inputs["x"].width,
        channels=spec.channels,
        size=spec.size,
        stride=spec.stride,
        padding=spec.padding,
        bias=spec.bias,
    )


@build.register
def _max_pool2d(spec: specs.MaxPool2d, inputs: Inputs) -> MaxPool2d:
    return MaxPool2d(size=spec.size, stride=spec.stride)


@build.register
def _transposed_conv2d(spec: specs.TransposedConv2d, inputs: Inputs) -> TransposedConv2d:
    return TransposedConv2d(
        in_channels=inputs["x"].width,
        channels=spec.channels,
        size=spec.size,
        stride=spec.stride,
        bias=spec.bias,
    )
