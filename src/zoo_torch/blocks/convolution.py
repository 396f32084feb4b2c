"""Convolution, its transpose and max-pool in two dimensions, over images ``[batch, height, width, channels]``.

The permuted view of such an image is channels-last in memory, torch's own fast layout, so nothing is copied.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from zoo_spec.blocks import convolution as specs
from zoo_spec.blocks.base import Inputs
from zoo_torch.blocks.base import build
from zoo_torch.blocks.convolve2d import convolve2d

Pair = tuple[int, int]


class Conv2d(nn.Conv2d):
    """Cross-correlation with zeros as padding, stated as pairs (before, after) along height and width."""

    def __init__(
        self,
        *,
        in_channels: int,
        channels: int,
        size: Pair,
        stride: Pair,
        padding: tuple[Pair, Pair],
        bias: bool,
    ) -> None:
        (top, bottom), (left, right) = padding
        symmetric = top == bottom and left == right
        # The layer's own padding costs nothing; F.pad, which an uneven one needs, copies the image.
        own = (top, left) if symmetric else (0, 0)
        super().__init__(in_channels, channels, size, stride=stride, padding=own, bias=bias)
        self.pads = None if symmetric else (left, right, top, bottom)

    def forward(self, x: Tensor) -> Tensor:
        x_BCHW = x.permute(0, 3, 1, 2)
        if self.pads is not None:
            x_BCHW = F.pad(x_BCHW, self.pads)
        y_BCHW = convolve2d(x_BCHW, self.weight, self.bias, stride=self.stride, padding=self.padding)
        return y_BCHW.permute(0, 2, 3, 1)


class MaxPool2d(nn.Module):
    """Largest value in each window, channel by channel."""

    def __init__(self, *, size: Pair, stride: Pair) -> None:
        super().__init__()
        self.size = size
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        return F.max_pool2d(x.permute(0, 3, 1, 2), self.size, self.stride).permute(0, 2, 3, 1)


class TransposedConv2d(nn.ConvTranspose2d):
    """The transpose of a convolution, whole: nothing is cut off."""

    def __init__(self, *, in_channels: int, channels: int, size: Pair, stride: Pair, bias: bool) -> None:
        super().__init__(in_channels, channels, size, stride=stride, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        x_BCHW = x.permute(0, 3, 1, 2)
        y_BCHW = convolve2d(x_BCHW, self.weight, self.bias, stride=self.stride, is_transposed=True)
        return y_BCHW.permute(0, 2, 3, 1)


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
