"""Multiplication by a constant."""

from __future__ import annotations

from typing import ClassVar, Literal

from zoo_spec.base import PositiveFloat
from zoo_spec.blocks.base import Block, Inputs, Outputs, require_float


class Scale(Block):
    """``factor * x``; keeps the shape."""

    kind: Literal["scale"] = "scale"
    rounds_once: ClassVar[bool] = True
    factor: PositiveFloat
    """What every value is multiplied by."""

    def infer(self, inputs: Inputs) -> Outputs:
        """Same shape."""
        require_float(inputs["x"])
        return {"x": inputs["x"]}
