"""Convolutions of bfloat16 on a CPU are those of float32, rounded, whatever the processor multiplies."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from zoo_torch.blocks.convolution import Conv2d
from zoo_torch.blocks.convolve1d import convolve1d

ALONG_TIME = [
    (8, 4, 8, 8, 200),
    (16, 32, 16, 8, 172),
    (24, 24, 4, 4, 164),
    (28, 64, 16, 8, 152),
    (32, 8, 8, 4, 120),
]
"""Channels, given and made, the kernel's length, stride and frames: where oneDNN's were noise, and one beyond."""
OF_IMAGES = [(4, 16, 16, 16, 208, 112), (3, 8, 14, 14, 154, 14), (24, 16, 8, 8, 48, 40), (3, 8, 3, 1, 9, 9)]
"""Channels, given and made, the kernel's size, stride, height and width."""


def apart(found, exact):
    return float((found.float() - exact).abs().max() / exact.abs().max())


@pytest.mark.parametrize("autocast", [False, True])
@pytest.mark.parametrize(("given", "made", "size", "stride", "frames"), ALONG_TIME)
def test_along_time(given, made, size, stride, frames, autocast):
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(2, frames, given, generator=generator).bfloat16().transpose(1, 2)
    kernel = torch.randn(made, given, size, generator=generator).bfloat16()
    exact = F.conv1d(x.float(), kernel.float(), None, stride)
    if autocast:
        x, kernel = x.float(), kernel.float()
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        assert apart(convolve1d(x, kernel, None, stride=stride), exact) < 0.01


@pytest.mark.parametrize("autocast", [False, True])
@pytest.mark.parametrize(("given", "made", "size", "stride", "height", "width"), OF_IMAGES)
def test_of_images(given, made, size, stride, height, width, autocast):
    generator = torch.Generator().manual_seed(1)
    block = Conv2d(
        in_channels=given,
        channels=made,
        size=(size,) * 2,
        stride=(stride,) * 2,
        padding=((0, 0),) * 2,
        bias=True,
    ).bfloat16()
    x = torch.randn(2, height, width, given, generator=generator).bfloat16()
    exact = F.conv2d(x.float().permute(0, 3, 1, 2), block.weight.float(), block.bias.float(), stride)
    if autocast:
        block, x = block.float(), x.float()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        assert apart(block(x), exact.permute(0, 2, 3, 1)) < 0.01
