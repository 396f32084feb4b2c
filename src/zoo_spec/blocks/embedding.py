"""A table of vectors, one a token."""

from __future__ import annotations

from typing import Literal

from zoo_spec.base import PositiveInt
from zoo_spec.blocks.base import Block, Inputs, Outputs, ShapeError
from zoo_spec.initializers import Initializer, TruncatedNormal
from zoo_spec.parameters import Parameter
from zoo_spec.tensors import FLOAT, TensorSpec


class Embedding(Block):
    """Rows of a table by id: ``[...]`` to ``[..., size]``; the second output is the table, for tied heads.

    No row is special: padding has a vector like any other id.
    """

    kind: Literal["embedding"] = "embedding"
    rows: PositiveInt
    """Number of ids."""
    size: PositiveInt
    """Width of a vector."""
    initializer: Initializer = TruncatedNormal(std=0.02)
    """Initial values of the table."""

    def infer(self, inputs: Inputs) -> Outputs:
        """``x [..., size]`` and ``table [rows, size]``."""
        ids = inputs["x"]
        if ids.dtype != "int32":
            raise ShapeError("needs int32 ids")
        return {
            "x": TensorSpec((*ids.shape, self.size), FLOAT, ids.optional, (*ids.named_axes, "hidden")),
            "table": TensorSpec((self.rows, self.size), FLOAT, False, ("rows", "hidden")),
        }

    def parameters(self, inputs: Inputs) -> dict[str, Parameter]:
        """``weight [rows, size]``."""
        return {"weight": Parameter((self.rows, self.size), self.initializer, "embedding")}
