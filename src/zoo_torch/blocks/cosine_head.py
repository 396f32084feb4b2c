"""Logits by the angle to learned vectors: how HuBERT says which unit a frame is of (Hsu et al., 2021, 2.3)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zoo_spec.blocks import cosine_head as specs
from zoo_spec.blocks.base import Inputs
from zoo_torch.blocks.base import build
from zoo_torch.blocks.dense import Dense
from zoo_torch.precision import at_least_float32

EPSILON = 1e-8
"""The least length that a vector is divided by."""


class CosineHead(nn.Module):
    """``cos(dense(x), code) / temperature`` for each code: ``[..., features]`` to ``[..., units]``."""

    def __init__(self, *, features: int, units: int, size: int, temperature: float) -> None:
        super().__init__()
        self.temperature = temperature
        self.dense = Dense(features, size)
        self.codes = nn.Parameter(torch.empty(units, size))

    def forward(self, x: Tensor) -> Tensor:
        directions, codes = (
            F.normalize(at_least_float32(vectors), dim=-1, eps=EPSILON).to(x.dtype)
            for vectors in (self.dense(x), self.codes)
        )
        return directions @ codes.mT / self.temperature


@build.register
def _cosine_head(spec: specs.CosineHead, inputs: Inputs) -> CosineHead:
    return CosineHead(
        features=inputs["x"].width, units=spec.units, size=spec.size, temperature=spec.temperature
    )
