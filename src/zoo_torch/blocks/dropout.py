"""Dropout, by torch's own generator or by the portable one."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from zoo_spec.blocks import dropout as specs
from zoo_spec.blocks.base import Inputs
from zoo_torch.blocks.base import build
from zoo_torch.random import dropout_mask


class Dropout(nn.Module):
    """In training, zeroes values with probability ``rate`` and divides the rest by ``1 - rate``.

    With a ``key`` (``training.random: portable``) the mask is that of the portable generator, the same bit for
    bit in both frameworks.
    """

    def __init__(self, *, rate: float) -> None:
        super().__init__()
        self.rate = rate
        self.key: tuple[Tensor, Tensor] | None = None

    @property
    def keyed(self) -> bool:
        """Whether the portable generator is at work."""
        return self.key is not None and self.training and self.rate > 0

    def forward(self, x: Tensor) -> Tensor:
        if self.key is None or not self.keyed:
            return F.dropout(x, self.rate, self.training)
        keep = dropout_mask(self.key, tuple(x.shape), self.rate).to(x.device)
        return x * keep / (1 - self.rate)

    def extra_repr(self) -> str:
        return f"rate={self.rate}"


@build.register
def _dropout(spec: specs.Dropout, inputs: Inputs) -> Dropout:
    return Dropout(rate=spec.rate)
