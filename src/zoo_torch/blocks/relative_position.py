"""Relative positions: what a pair of positions adds to the attention between them."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zoo_spec.blocks import relative_position as specs
from zoo_spec.blocks.base import Inputs
from zoo_torch.blocks.base import build
from zoo_torch.precision import Tabled, narrowed

# T tokens, N heads.


class RelativePositions(Tabled):
    """A learned bias for each head and bucket of distances: ``[N, T, T]`` for ``x [B, T, D]``."""

    buckets: Tensor

    def __init__(self, *, num_buckets: int, num_heads: int, max_distance: int, bidirectional: bool) -> None:
        super().__init__()
        self.max_distance = max_distance
        table = specs.bucket_table(num_buckets, max_distance, bidirectional=bidirectional)
        self.register_table("buckets", np.array(table))
        self.weight = nn.Parameter(torch.empty(num_buckets, num_heads))

    def forward(self, x: Tensor) -> Tensor:
        position = torch.arange(x.shape[1], device=x.device)
        distance_TT = position[None, :] - position[:, None]
        place_TT = distance_TT.clamp(-self.max_distance, self.max_distance) + self.max_distance
        buckets_TT = self.buckets[place_TT]
        # Rounded after the rows are taken, so that their gradients add up in float32.
        return narrowed(F.embedding(buckets_TT, self.weight).permute(2, 0, 1), x)


@build.register
def _relative_positions(spec: specs.RelativePositions, inputs: Inputs) -> RelativePositions:
    return RelativePositions(
        num_buckets=spec.num_buckets,
        num_heads=spec.num_heads,
        max_distance=spec.max_distance,
        bidirectional=spec.mask == "bidirectional",
    )
