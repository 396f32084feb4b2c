"""Dropout."""

from __future__ import annotations

from typing import Literal

from zoo_spec.base import Rate
from zoo_spec.blocks.base import Block, Inputs, Outputs, require_float
from zoo_spec.cost import Cost


class Dropout(Block):
    """In training, zeroes values with probability ``rate`` and divides the rest by ``1 - rate``."""

    kind: Literal["dropout"] = "dropout"
    rate: Rate
    """Probability that a value is dropped."""

    def infer(self, inputs: Inputs) -> Outputs:
        """Same shape."""
        require_float(inputs["x"])
        return {"x": inputs["x"]}

    def cost(self, inputs: Inputs) -> Cost:
        """The mask is kept for the backward pass, as wide as the values: neither framework packs it on a CPU."""
        return Cost(saved=inputs["x"].elements if self.rate else 0)
