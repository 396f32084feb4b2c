"""Sinusoidal positions."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zoo_spec.blocks import sinusoidal as specs
from zoo_spec.blocks.base import Inputs
from zoo_torch.blocks.base import build


class SinusoidalPositions(nn.Module):
    """Adds sines and cosines of each position to ``x [B, T, D]``.

    ``table [size, D]`` is no weight: it is computed in float64, and has the parameters' dtype.
    """

    def __init__(self, *, size: int, hidden_size: int, layout: specs.Layout) -> None:
        super().__init__()
        # From NumPy, since the model is built on the meta device, where nothing has a value.
        self.register_buffer(
            "table", torch.from_numpy(specs.sinusoids(size, hidden_size, layout)), persistent=False
        )

    def forward(self, x: Tensor, *, positions: Tensor | None = None) -> Tensor:
        if positions is None:
            return x + self.table[: x.shape[1]].to(x.dtype)
        return x + F.embedding(positions, self.table).to(x.dtype)


@build.register
def _sinusoidal_positions(spec: specs.SinusoidalPositions, inputs: Inputs) -> SinusoidalPositions:
    return SinusoidalPositions(size=spec.size, hidden_size=inputs["x"].width, layout=spec.layout)
