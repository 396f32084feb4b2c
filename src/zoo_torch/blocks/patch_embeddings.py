"""The input of a vision transformer: patches, a class token, and positions, also for images of another size."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from zoo_spec.blocks import patch_embeddings as specs
from zoo_spec.blocks.base import Inputs
from zoo_torch.blocks.base import build, build_children
from zoo_torch.blocks.dropout import Dropout
from zoo_torch.precision import Tabled, at_least_float32, narrowed

# B batch, H height, W width, C channels, T tokens, D hidden.
Pair = tuple[int, int]


class PatchEmbeddings(nn.Module):
    """``[B, H, W, C]`` to ``[B, 1 + patches, D]``: patches behind a class token, positions, dropout."""

    def __init__(self, *, size: int, patch: nn.Module, position: nn.Module, dropout: float) -> None:
        super().__init__()
        self.class_token = nn.Parameter(torch.empty(1, size))
        self.patch = patch
        self.position = position
        self.dropout = Dropout(rate=dropout)

    def forward(self, x: Tensor) -> Tensor:
        patches_BTD = self.patch(x).flatten(1, 2)
        class_token_B1D = narrowed(self.class_token, patches_BTD).expand(x.shape[0], 1, -1)
        x_BTD = torch.cat([class_token_B1D, patches_BTD], dim=1)
        return self.dropout(self.position(x_BTD))


class InterpolatedPositions(Tabled):
    """Adds positions learned on one grid, stretched to another, to ``x [B, T, D]``."""

    def __init__(self, *, hidden_size: int, learned_grid: Pair, grid: Pair) -> None:
        super().__init__()
        rows, columns = learned_grid
        self.weight = nn.Parameter(torch.empty(1 + rows * columns, hidden_size))
        self.register_table("matrix", specs.interpolation_matrix(learned_grid, grid))

    def forward(self, x: Tensor) -> Tensor:
        weight = at_least_float32(self.weight)
        stretched_TD = torch.cat([weight[:1], self.matrix @ weight[1:]])
        return x + narrowed(stretched_TD, x)


@build.register
def _patch_embeddings(spec: specs.PatchEmbeddings, inputs: Inputs) -> PatchEmbeddings:
    children = build_children(spec, inputs)
    return PatchEmbeddings(
        size=spec.size, patch=children["patch"], position=children["position"], dropout=spec.dropout
    )


@build.register
def _interpolated_positions(spec: specs.InterpolatedPositions, inputs: Inputs) -> InterpolatedPositions:
    return InterpolatedPositions(
        hidden_size=inputs["x"].width, learned_grid=spec.learned_grid, grid=spec.grid
    )
