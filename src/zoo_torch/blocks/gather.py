"""Picking positions out of a sequence."""

from __future__ import annotations

import torch
from torch import Tensor

# B batch, T tokens, D hidden, P positions.


def gather(x_BTD: Tensor, positions_BP: Tensor) -> Tensor:
    """The vectors at ``positions``, ``[B, P, D]``."""
    # take_along_dim would do, but it fixes the batch and the sequence's length when it is exported.
    index_BPD = positions_BP.long()[:, :, None].expand(-1, -1, x_BTD.shape[2])
    return torch.gather(x_BTD, 1, index_BPD)
