"""Blocks that move values without computing: flatten, concatenate, and the sum that joins branches."""

from __future__ import annotations

from functools import reduce

import torch
from torch import Tensor, nn

from zoo_spec.blocks import reshape as specs
from zoo_spec.blocks.base import Inputs
from zoo_torch.blocks.base import build


class Flatten(nn.Flatten):
    """``[batch, ...]`` to ``[batch, features]``."""


class Concatenate(nn.Module):
    """Joins its inputs along the last dimension."""

    def forward(self, *inputs: Tensor) -> Tensor:
        return torch.cat(inputs, dim=-1)


class Add(nn.Module):
    """Adds its inputs, from left to right."""

    def forward(self, *inputs: Tensor) -> Tensor:
        return reduce(torch.add, inputs)


@build.register
def _flatten(spec: specs.Flatten, inputs: Inputs) -> Flatten:
    return Flatten()


@build.register
def _concatenate(spec: specs.Concatenate, inputs: Inputs) -> Concatenate:
    return Concatenate()


@build.register
def _add(spec: specs.Add, inputs: Inputs) -> Add:
    return Add()
