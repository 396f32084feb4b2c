"""Multiplication by a constant."""

from __future__ import annotations

from torch import Tensor, nn

from zoo_spec.blocks import scale as specs
from zoo_spec.blocks.base import Inputs
from zoo_torch.blocks.base import build


class Scale(nn.Module):
    """``factor * x``."""

    def __init__(self, *, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        return x * self.factor

    def extra_repr(self) -> str:
        return f"factor={self.factor}"


@build.register
def _scale(spec: specs.Scale, inputs: Inputs) -> Scale:
    return Scale(factor=spec.factor)
