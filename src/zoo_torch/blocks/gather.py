"""Picking positions out of a sequence."""

from __future__ import annotations

import torch
from torch import Tensor

# B batch, T tokens, D hidden, P positions.


def gather(x_BTD: Tensor, positions_BP: Tensor) -> Tensor:
    """The vectors at ``positions``, ``[B, P, D]``."""
    return torch.take_along_dim(x_BTD, positions_BP.long()[:, :, None], dim=1)
