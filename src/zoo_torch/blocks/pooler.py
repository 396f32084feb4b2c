"""One vector for a whole example."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from zoo_spec.blocks import pooler as specs
from zoo_spec.blocks.base import Inputs
from zoo_torch.blocks.base import build
from zoo_torch.blocks.dense import Dense
from zoo_torch.blocks.gather import gather

# B batch, T tokens, D hidden, E examples in a row.


class Pooler(nn.Module):
    """``tanh(dense(first token))``: ``[B, T, D]`` to ``[B, D]``, or ``[B, E, D]`` of packed rows."""

    def __init__(self, *, hidden_size: int) -> None:
        super().__init__()
        self.dense = Dense(hidden_size, hidden_size)

    def forward(self, x: Tensor, *, pooled_positions: Tensor | None = None) -> Tensor:
        first = x[:, 0] if pooled_positions is None else gather(x, pooled_positions)
        return torch.tanh(self.dense(first))


@build.register
def _pooler(spec: specs.Pooler, inputs: Inputs) -> Pooler:
    return Pooler(hidden_size=inputs["x"].width)
