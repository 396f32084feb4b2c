"""A projection by a table that another block owns."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zoo_spec.blocks import tied_dense as specs
from zoo_spec.blocks.base import Inputs
from zoo_torch.blocks.base import build
from zoo_torch.precision import narrowed


class TiedDense(nn.Module):
    """``y = x table^T + b``: ``[..., hidden]`` and ``[rows, hidden]`` to ``[..., rows]``."""

    def __init__(self, *, rows: int, bias: bool) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(rows)) if bias else None

    def forward(self, x: Tensor, table: Tensor) -> Tensor:
        bias = None if self.bias is None else narrowed(self.bias, x)
        return F.linear(x, narrowed(table, x), bias)


@build.register
def _tied_dense(spec: specs.TiedDense, inputs: Inputs) -> TiedDense:
    return TiedDense(rows=int(inputs["table"].shape[0]), bias=spec.bias)
