"""Sinusoidal positions."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from zoo_spec.blocks import sinusoidal as specs
from zoo_spec.blocks.base import Inputs
from zoo_torch.blocks.base import build
from zoo_torch.precision import Tabled


class SinusoidalPositions(Tabled):
    """Adds sines and cosines of each position to ``x [B, T, D]``.

    ``table [size, D]`` is no weight: it is computed in float64, and has the parameters' dtype, at least float32.
    """

    def __init__(
        self,
        *,
        size: int,
        hidden_size: int,
        layout: specs.Layout,
        first: int = 0,
        spacing: specs.Spacing = "open",
    ) -> None:
        super().__init__()
        self.register_table("table", specs.sinusoids(size, hidden_size, layout, first, spacing))

    def forward(self, x: Tensor, *, positions: Tensor | None = None) -> Tensor:
        if positions is None:
            return x + self.table[: x.shape[1]].to(x.dtype)
        return x + F.embedding(positions, self.table).to(x.dtype)


@build.register
def _sinusoidal_positions(spec: specs.SinusoidalPositions, inputs: Inputs) -> SinusoidalPositions:
    return SinusoidalPositions(
        size=spec.size,
        hidden_size=inputs["x"].width,
        layout=spec.layout,
        first=spec.first,
        spacing=spec.spacing,
    )
