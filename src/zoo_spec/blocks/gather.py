"""Picking positions out of a sequence."""

from __future__ import annotations

from typing import Literal

from zoo_spec.blocks.base import Block, Inputs, Outputs, ShapeError, require_sequence
from zoo_spec.cost import Cost
from zoo_spec.tensors import INT, Dimension


class Gather(Block):
    """The vectors of ``x [batch, sequence, hidden]`` at ``positions [batch, count]``: ``[batch, count, hidden]``."""

    kind: Literal["gather"] = "gather"
    required = ("x", "positions")

    def infer(self, inputs: Inputs) -> Outputs:
        """``[batch, count, hidden]``."""
        x, positions = inputs["x"], inputs["positions"]
        require_sequence(x)
        if positions.rank != 2 or positions.shape[0] != x.shape[0] or positions.dtype != INT:
            raise ShapeError("needs positions [batch, count], int32")
        axes = (*positions.named_axes, x.named_axes[-1])
        return {"x": x.with_shape(*positions.shape, x.shape[-1], axes=axes)}

    def points(self, inputs: Inputs) -> dict[str, Dimension]:
        """``positions``."""
        return {"positions": inputs["x"].shape[1]}

    def cost(self, inputs: Inputs) -> Cost:
        """Nothing is computed."""
        return Cost()
