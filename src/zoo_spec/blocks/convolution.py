"""Convolution, its transpose and max-pool in two dimensions, over images ``[batch, height, width, channels]``."""

from __future__ import annotations

from math import prod
from typing import Literal

from zoo_spec.base import NonNegativeInt, PositiveInt
from zoo_spec.blocks.base import (
    Block,
    Inputs,
    Outputs,
    ShapeError,
    require_float,
    require_known,
    require_rank,
)
from zoo_spec.cost import Cost
from zoo_spec.initializers import HeNormal, Initializer, Zeros
from zoo_spec.parameters import Parameter
from zoo_spec.tensors import TensorSpec

Pair = tuple[PositiveInt, PositiveInt]
Pad = tuple[NonNegativeInt, NonNegativeInt]


def _windows(x: TensorSpec, size: Pair, stride: Pair, padding: tuple[Pad, Pad], channels: int) -> TensorSpec:
    """Shape after sliding a window over height and width; raises ShapeError where it does not fit."""
    require_rank(x, 4, "an image [batch, height, width, channels]")
    require_float(x)
    require_known(x, 1, 2, 3)
    outer = []
    for axis, name in ((0, "height"), (1, "width")):
        padded = int(x.shape[axis + 1]) + sum(padding[axis])
        if padded < size[axis]:
            raise ShapeError(f"has a window of {size[axis]}, more than the padded {name} {padded}")
        outer.append((padded - size[axis]) // stride[axis] + 1)
    return x.with_shape(x.shape[0], *outer, channels, axes=("batch", "height", "width", "channels"))


class Conv2d(Block):
    """Cross-correlation, as both frameworks' convolutions are; pads are zeros, stated as explicit pairs."""

    kind: Literal["conv2d"] = "conv2d"
    channels: PositiveInt
    """Number of output channels."""
    size: Pair = (3, 3)
    """Height and width of the kernel."""
    stride: Pair = (1, 1)
    """Steps along height and width."""
    padding: tuple[Pad, Pad] = ((1, 1), (1, 1))
    """Zeros (before, after) along height and width; "same" is not a field, since frameworks differ on it."""
    bias: bool = True
    """Whether a bias is added."""
    initializer: Initializer = HeNormal()
    """Initial values of the kernel."""

    def infer(self, inputs: Inputs) -> Outputs:
        """``[batch, height', width', channels]``."""
        return {"x": _windows(inputs["x"], self.size, self.stride, self.padding, self.channels)}

    def parameters(self, inputs: Inputs) -> dict[str, Parameter]:
        """``weight [out, in, height, width]`` and ``bias [out]``."""
        shape = (self.channels, inputs["x"].width, *self.size)
        table = {"weight": Parameter(shape, self.initializer, "weight")}
        if self.bias:
            table["bias"] = Parameter((self.channels,), Zeros(), "bias")
        return table

    def cost(self, inputs: Inputs) -> Cost:
        """One convolution; its input is kept."""
        x = inputs["x"]
        flops = 2 * self.infer(inputs)["x"].elements * x.width * prod(self.size)
        return Cost(flops=flops, kernels=1, saved=x.elements)


class MaxPool2d(Block):
    """Largest value in each window, channel by channel; padding never wins."""

    kind: Literal["max_pool2d"] = "max_pool2d"
    size: Pair = (2, 2)
    """Height and width of the window."""
    stride: Pair = (2, 2)
    """Steps along height and width."""

    def infer(self, inputs: Inputs) -> Outputs:
        """``[batch, height', width', channels]``."""
        x = inputs["x"]
        require_rank(x, 4, "an image [batch, height, width, channels]")
        require_known(x, 3)
        return {"x": _windows(x, self.size, self.stride, ((0, 0), (0, 0)), x.width)}

    def cost(self, inputs: Inputs) -> Cost:
        """The input is kept, and the places of the largest values, eight bytes each, counted as two float32."""
        return Cost(saved=inputs["x"].elements, wide=2 * self.infer(inputs)["x"].elements)


class TransposedConv2d(Block):
    """The transpose of a convolution: each value spreads its kernel over the output; nothing is cut off.

    Frameworks disagree on what "same" means here, so there is no padding: a size equal to the stride, as for
    doubling an image, needs none.
    """

    kind: Literal["transposed_conv2d"] = "transposed_conv2d"
    channels: PositiveInt
    """Number of output channels."""
    size: Pair = (2, 2)
    """Height and width of the kernel."""
    stride: Pair = (2, 2)
    """How far apart the values spread, along height and width."""
    bias: bool = True
    """Whether a bias is added."""
    initializer: Initializer = HeNormal()
    """Initial values of the kernel; its fans are counted on its layout, as torch does: the first is out."""

    def infer(self, inputs: Inputs) -> Outputs:
        """``[batch, (height - 1) stride + size, (width - 1) stride + size, channels]``."""
        x = inputs["x"]
        require_rank(x, 4, "an image [batch, height, width, channels]")
        require_float(x)
        require_known(x, 1, 2, 3)
        outer = [(int(x.shape[axis + 1]) - 1) * self.stride[axis] + self.size[axis] for axis in (0, 1)]
        axes = ("batch", "height", "width", "channels")
        return {"x": x.with_shape(x.shape[0], *outer, self.channels, axes=axes)}

    def parameters(self, inputs: Inputs) -> dict[str, Parameter]:
        """``weight [in, out, height, width]``, as torch has it, and ``bias [out]``."""
        shape = (inputs["x"].width, self.channels, *self.size)
        table = {"weight": Parameter(shape, self.initializer, "weight")}
        if self.bias:
            table["bias"] = Parameter((self.channels,), Zeros(), "bias")
        return table

    def cost(self, inputs: Inputs) -> Cost:
        """One convolution backwards; its input is kept."""
        x = inputs["x"]
        flops = 2 * x.elements * self.channels * prod(self.size)
        return Cost(flops=flops, kernels=1, saved=x.elements)
