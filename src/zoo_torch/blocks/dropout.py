"""Dropout, by torch's own generator or by one that a training loop gives."""

from __future__ import annotations

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor, nn

from zoo_spec.blocks import dropout as specs
from zoo_spec.blocks.base import Inputs
from zoo_torch.blocks.base import build

Draw = Callable[[tuple[int, ...], float, int], Tensor]


class Dropout(nn.Module):
    """In training, zeroes values with probability ``rate`` and divides the rest by ``1 - rate``.

    ``draw(shape, rate, use)`` gives the mask, True where a value stays, and ``use`` counts the masks that it has
    given; without one, the mask is drawn afresh each call.
    """

    def __init__(self, *, rate: float) -> None:
        super().__init__()
        self.rate = rate
        self.draw: Draw | None = None
        self.uses = 0

    def set_draw(self, draw: Draw | None) -> None:
        """Take the masks from ``draw``, counted from its first."""
        self.draw = draw
        self.uses = 0

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or not self.rate:
            return x
        if self.draw is None:
            return F.dropout(x, self.rate)
        keep = self.draw(tuple(x.shape), self.rate, self.uses).to(x.device)
        self.uses += 1
        return x * keep / (1 - self.rate)

    def extra_repr(self) -> str:
        return f"rate={self.rate}"


@build.register
def _dropout(spec: specs.Dropout, inputs: Inputs) -> Dropout:
    return Dropout(rate=spec.rate)
