"""A projection by a table that another block owns, such as an embedding's."""

from __future__ import annotations

from typing import ClassVar, Literal

from zoo_spec.blocks.base import Block, Inputs, Outputs, ShapeError, require_float
from zoo_spec.cost import Cost
from zoo_spec.initializers import Zeros
from zoo_spec.parameters import Parameter


class TiedDense(Block):
    """``y = x table^T + b``: ``[..., hidden]`` and ``[rows, hidden]`` to ``[..., rows]`` (Press & Wolf, 2017)."""

    kind: Literal["tied_dense"] = "tied_dense"
    required = ("x", "table")
    last_product: ClassVar[str | None] = ""
    bias: bool = False
    """Whether a bias of its own is added."""

    def infer(self, inputs: Inputs) -> Outputs:
        """``[..., hidden]`` to ``[..., rows]``."""
        x, table = inputs["x"], inputs["table"]
        if table.rank != 2 or x.rank < 2 or x.shape[-1] != table.shape[-1]:
            raise ShapeError("needs x [..., hidden] and a table [rows, hidden] of the same hidden size")
        require_float(x)
        return {"x": x.with_width(table.shape[0], "vocabulary")}

    def parameters(self, inputs: Inputs) -> dict[str, Parameter]:
        """``bias [rows]`` if asked for; the table belongs to its owner."""
        rows = inputs["table"].shape[0]
        return {"bias": Parameter((int(rows),), Zeros(), "bias")} if self.bias else {}

    def cost(self, inputs: Inputs) -> Cost:
        """One matrix product."""
        x, table = inputs["x"], inputs["table"]
        return Cost(flops=2 * x.elements * int(table.shape[0]), kernels=1, saved=x.elements)
