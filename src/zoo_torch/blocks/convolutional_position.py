"""Positions by a convolution over what is around (wav2vec 2.0, Baevski et al., 2020, 2)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from zoo_spec.blocks import convolutional_position as specs
from zoo_spec.blocks.base import Inputs
from zoo_torch.blocks.base import build, build_children
from zoo_torch.blocks.convolve1d import convolve1d
from zoo_torch.precision import at_least_float32

# B batch, T frames, D hidden, K the kernel's length.


class ConvolutionalPosition(nn.Module):
    """Adds ``activation(convolution(x))`` in groups of channels to ``x [B, T, D]``."""

    turned = ("activation",)
    """The parts that are given ``[B, D, T]``."""

    def __init__(self, *, hidden_size: int, size: int, groups: int, activation: nn.Module) -> None:
        super().__init__()
        self.size = size
        self.groups = groups
        self.gain = nn.Parameter(torch.empty(1, 1, size))
        self.direction = nn.Parameter(torch.empty(hidden_size, hidden_size // groups, size))
        self.bias = nn.Parameter(torch.empty(hidden_size))
        self.activation = activation

    def forward(self, x: Tensor, *, positions: Tensor | None = None) -> Tensor:
        direction = at_least_float32(self.direction)
        kernel = direction * (self.gain / direction.square().sum((0, 1), keepdim=True).sqrt())
        y_BDT = convolve1d(x.mT, kernel, self.bias, padding=self.size // 2, groups=self.groups)
        # A kernel of even length, padded alike on both sides, gives one more than there are.
        return x + self.activation(y_BDT[:, :, : x.shape[1]]).mT


@build.register
def _convolutional_position(spec: specs.ConvolutionalPosition, inputs: Inputs) -> ConvolutionalPosition:
    return ConvolutionalPosition(
        hidden_size=inputs["x"].width,
        size=spec.size,
        groups=spec.groups,
        activation=build_children(spec, inputs)["activation"],
    )
