"""How a model knows the order of its tokens."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zoo_spec.blocks import position as specs
from zoo_spec.blocks.base import Inputs
from zoo_torch.blocks.base import build
from zoo_torch.precision import narrowed

# B batch, T tokens, D hidden.


class LearnedPositions(nn.Module):
    """Adds a learned vector for each position to ``x [B, T, D]``."""

    def __init__(self, *, size: int, hidden_size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(size, hidden_size))

    def forward(self, x: Tensor, *, positions: Tensor | None = None) -> Tensor:
        if positions is None:
            return x + narrowed(self.weight[: x.shape[1]], x)
        # Rounded after the rows are taken, so that their gradients add up in float32.
        return x + narrowed(F.embedding(positions, self.weight), x)


@build.register
def _learned_positions(spec: specs.LearnedPositions, inputs: Inputs) -> LearnedPositions:
    return LearnedPositions(size=spec.size, hidden_size=inputs["x"].width)
