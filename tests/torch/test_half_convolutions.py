"""Convolutions of bfloat16 on a CPU are those of float32, rounded, whatever the processor multiplies."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from zoo_torch.blocks import convolve2d
from zoo_torch.blocks.convolution import Conv2d, TransposedConv2d
from zoo_torch.blocks.convolve1d import convolve1d

ALONG_TIME = [
    (8, 4, 8, 8, 200),
    (16, 32, 16, 8, 172),
    (24, 24, 4, 4, 164),
    (28, 64, 16, 8, 152),
    (32, 8, 8, 4, 120),
]
"""Channels, given and made, the kernel's length, stride and frames: where oneDNN's were noise, and one beyond."""
OF_IMAGES = [
    (Conv2d, 4, 16, (16, 16, 0), 208, 112),
    (Conv2d, 3, 8, (14, 14, 0), 154, 14),
    (Conv2d, 24, 16, (8, 8, 0), 48, 40),
    (Conv2d, 32, 1, (3, 1, 0), 19, 5),
    (Conv2d, 8, 16, (1, 1, 2), 7, 9),
    (Conv2d, 28, 64, (4, 2, 3), 23, 1),
    (Conv2d, 8, 16, (5, 2, 2), 42, 1),
    (TransposedConv2d, 4, 16, (14, 14), 4, 4),
    (TransposedConv2d, 3, 16, (4, 4), 1, 1),
    (TransposedConv2d, 1, 16, (4, 4), 3, 3),
    (Conv2d, 3, 8, (3, 1, 1), 9, 8),
    (Conv2d, 5, 8, (2, 2, 0), 9, 8),
    (TransposedConv2d, 8, 16, (2, 2), 5, 6),
]
"""Channels, given and made, the kernel's size, stride and padding, height and width."""


def apart(found, exact):
    return float((found.float() - exact).detach().abs().max() / exact.detach().abs().max())


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


def made_of(kind, given, made, size, stride, *padding):
    """The block, with the same along height and width."""
    pads = {"padding": ((*padding, *padding),) * 2} if padding else {}
    return kind(in_channels=given, channels=made, size=(size,) * 2, stride=(stride,) * 2, bias=True, **pads)


@pytest.fixture(params=[False, True], ids=["as it is", "bfloat16 multiplied"])
def multiplied(request, monkeypatch):
    """Whether the processor multiplies bfloat16: what is done where it does is right on any."""
    monkeypatch.setattr(convolve2d, "MULTIPLIES_BFLOAT16", convolve2d.MULTIPLIES_BFLOAT16 or request.param)


def both(kind, given, made, how, height, width):
    """The block, one in float32 with the values that bfloat16 has of its weights, and images for both."""
    torch.manual_seed(1)
    block, exact = (made_of(kind, given, made, *how) for _ in range(2))
    for name, value in block.state_dict().items():
        value.copy_(value.bfloat16())
        exact.state_dict()[name].copy_(value)
    return block, exact, torch.randn(2, height, width, given).bfloat16()


@pytest.mark.usefixtures("multiplied")
@pytest.mark.parametrize("autocast", [False, True])
@pytest.mark.parametrize(("kind", "given", "made", "how", "height", "width"), OF_IMAGES)
def test_of_images(kind, given, made, how, height, width, autocast):
    block, exact, x = both(kind, given, made, how, height, width)
    wide = x.float().requires_grad_()
    mine = (wide.detach() if autocast else x).clone().requires_grad_()
    expected = exact(wide)
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        found = block(mine)
    assert found.dtype == torch.bfloat16
    assert apart(found, expected) < 0.01
    gradient = torch.randn_like(expected).bfloat16()
    found.backward(gradient)
    expected.backward(gradient.float())
    pairs = [(mine, wide), *zip(block.parameters(), exact.parameters(), strict=True)]
    assert max(apart(own.grad, other.grad) for own, other in pairs) < 0.01


@pytest.mark.usefixtures("multiplied")
@pytest.mark.parametrize(("kind", "given", "made", "how", "height", "width"), OF_IMAGES[-3:])
def test_other_derivatives_of_images(kind, given, made, how, height, width):
    """Second ones, forward ones, and those of each row by itself."""
    block, exact, x = both(kind, given, made, how, height, width)
    change = torch.randn_like(x)

    def penalty(block, x):
        x = x.clone().requires_grad_()
        (slope,) = torch.autograd.grad(block(x).float().square().sum(), x, create_graph=True)
        return torch.autograd.grad(slope.float().square().sum(), [x, block.weight])

    def tangent(block, x, change):
        return torch.func.jvp(block, (x,), (change,))[1]

    def of_rows(block, x):
        weights = dict(block.named_parameters())

        def loss(weights, x):
            return torch.func.functional_call(block, weights, x[None]).float().square().sum()

        return torch.func.vmap(torch.func.grad(loss), (None, 0))(weights, x)["weight"]

    mine, wide = penalty(block, x), penalty(exact, x.float())
    assert max(map(apart, mine, wide)) < 0.02
    assert apart(tangent(block, x, change), tangent(exact, x.float(), change.float())) < 0.01
    assert apart(of_rows(block, x), of_rows(exact, x.float())) < 0.02
