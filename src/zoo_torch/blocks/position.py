"""How a model knows the order of its tokens."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zoo_spec.blocks import position as specs
from zoo_spec.blocks.base import Inputs
from zoo_torch.blocks.base import build
from zoo_torch.precision import Tabled, at_least_float32, narrowed

# B batch, T tokens, D hidden, N heads, H head size.


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


class OffsetPositions(nn.Module):
    """Adds a learned vector to ``x [B, T, D]``: position ``p`` has row ``p + offset`` of the table."""

    def __init__(self, *, size: int, offset: int, hidden_size: int) -> None:
        super().__init__()
        self.offset = offset
        self.weight = nn.Parameter(torch.empty(offset + size, hidden_size))

    def forward(self, x: Tensor, *, positions: Tensor | None = None) -> Tensor:
        if positions is None:
            return x + narrowed(self.weight[self.offset : self.offset + x.shape[1]], x)
        return x + narrowed(F.embedding(positions + self.offset, self.weight), x)


class Rotary(Tabled):
    """Turns pairs of the first features of queries or keys ``x [B, N, T, H]`` (Su et al., 2021, 3.2.2).

    ``interleaved``: pairs are neighbours; else a feature of the first half and one of the second.
    """

    cos: Tensor
    sin: Tensor

    def __init__(self, *, size: int, dims: int, base: float, interleaved: bool) -> None:
        super().__init__()
        self.interleaved = interleaved
        self.pairs = dims // 2
        angles = specs.rotary_angles(size=size, dims=dims, base=base)
        self.register_table("cos", np.cos(angles))
        self.register_table("sin", np.sin(angles))

    def forward(self, x: Tensor, *, positions: Tensor | None = None) -> Tensor:
        wide_BNTH = at_least_float32(x)
        cos, sin = self._rows(self.cos, x, positions), self._rows(self.sin, x, positions)
        turned, rest = wide_BNTH[..., : 2 * self.pairs], wide_BNTH[..., 2 * self.pairs :]
        if self.interleaved:
            one, other = turned[..., 0::2], turned[..., 1::2]
            parts = [torch.stack([one * cos - other * sin, other * cos + one * sin], -1).flatten(-2), rest]
        else:
            one, other = turned[..., : self.pairs], turned[..., self.pairs :]
            parts = [one * cos - other * sin, other * cos + one * sin, rest]
        return torch.cat(parts, -1).to(x.dtype)

    def _rows(self, table: Tensor, x: Tensor, positions: Tensor | None) -> Tensor:
        """``[T, pairs]``, or ``[B, 1, T, pairs]`` where positions are given."""
        if positions is None:
            return table[: x.shape[2]]
        return F.embedding(positions, table)[:, None]


@build.register
def _learned_positions(spec: specs.LearnedPositions, inputs: Inputs) -> LearnedPositions:
    return LearnedPositions(size=spec.size, hidden_size=inputs["x"].width)


@build.register
def _offset_positions(spec: specs.OffsetPositions, inputs: Inputs) -> OffsetPositions:
    return OffsetPositions(size=spec.size, offset=spec.offset, hidden_size=inputs["x"].width)


@build.register
def _rotary(spec: specs.Rotary, inputs: Inputs) -> Rotary:
    return Rotary(
        size=spec.size,
        dims=spec.turned(inputs["x"].width),
        base=spec.base,
        interleaved=spec.style == "interleaved",
    )
