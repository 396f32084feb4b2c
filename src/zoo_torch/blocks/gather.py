"""Picking positions out of a sequence."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from zoo_spec.blocks import gather as specs
from zoo_spec.blocks.base import Inputs
from zoo_torch.blocks.base import build

# B batch, T tokens, D hidden, P positions.


def gather(x_BTD: Tensor, positions_BP: Tensor) -> Tensor:
    """The vectors at ``positions``, ``[B, P, D]``."""
    # take_along_dim would do, but it fixes the batch and the sequence's length when it is exported.
    index_BPD = positions_BP.long()[:, :, None].expand(-1, -1, x_BTD.shape[2])
    return torch.gather(x_BTD, 1, index_BPD)


class Gather(nn.Module):
    """The vectors at ``positions``: ``[B, T, D]`` to ``[B, P, D]``."""

    def forward(self, x: Tensor, positions: Tensor) -> Tensor:
        return gather(x, positions)


@build.register
def _gather(spec: specs.Gather, inputs: Inputs) -> Gather:
    return Gather()
