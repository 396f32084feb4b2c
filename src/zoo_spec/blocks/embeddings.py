"""The input of a transformer: token, position and type embeddings, their sum, norm and dropout."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from zoo_spec.base import NonNegativeInt, PositiveInt, Rate
from zoo_spec.blocks.base import Block, Inputs, Outputs, ShapeError, require_ids
from zoo_spec.blocks.dropout import Dropout
from zoo_spec.blocks.embedding import Embedding
from zoo_spec.blocks.norm import Norm
from zoo_spec.blocks.position import LearnedPositions, Position
from zoo_spec.initializers import AnyInitializer, TruncatedNormal
from zoo_spec.tensors import TensorSpec


class Embeddings(Block):
    """Sum of token, position and type embeddings (Devlin et al., 2019, figure 2), then norm and dropout.

    Ports: ``input_ids [batch, sequence]``; ``token_type_ids [batch, sequence]``, all 0 if left out;
    ``positions [batch, sequence]``. Outputs ``x [batch, sequence, size]`` and ``table [rows, size]``.
    """

    kind: Literal["embeddings"] = "embeddings"
    required = ("input_ids",)
    optional = ("token_type_ids", "positions")
    rows: PositiveInt
    """Number of token ids."""
    size: PositiveInt
    """Width of a vector."""
    type_rows: NonNegativeInt = 0
    """Number of token types; 0 for none."""
    position: Position | None = LearnedPositions()
    """How positions are told apart, or null for not at all."""
    norm: Norm | None = None
    """Norm of the sum, or null for none."""
    dropout: Rate = 0.0
    """Dropout rate after the norm."""
    initializer: AnyInitializer = Field(default=TruncatedNormal(std=0.02))
    """Initial values of the token and type tables."""

    def infer(self, inputs: Inputs) -> Outputs:
        """``x [batch, sequence, size]`` and ``table [rows, size]``."""
        ids = inputs["input_ids"]
        if ids.rank != 2:
            raise ShapeError("needs input_ids [batch, sequence]")
        if "token_type_ids" in inputs and not self.type_rows:
            raise ShapeError("has no token types (type_rows is 0), so token_type_ids cannot be given")
        require_ids(inputs, "token_type_ids", shape=ids.shape)
        token = Embedding(rows=self.rows, size=self.size).infer({"x": ids})
        for child, child_inputs in self.children(inputs).values():
            child.infer(child_inputs)
        return token

    def children(self, inputs: Inputs) -> dict[str, tuple[Block, Inputs]]:
        """``token``, ``position``, ``token_type``, ``norm``, ``dropout``."""
        ids = inputs["input_ids"]
        x = TensorSpec((*ids.shape, self.size), axes=(*ids.named_axes, "hidden"))
        token = Embedding(rows=self.rows, size=self.size, initializer=self.initializer)
        children: dict[str, tuple[Block, Inputs]] = {"token": (token, {"x": ids})}
        if self.position is not None:
            positions = {"positions": inputs["positions"]} if "positions" in inputs else {}
            children["position"] = (self.position, {"x": x, **positions})
        if self.type_rows:
            token_type = Embedding(rows=self.type_rows, size=self.size, initializer=self.initializer)
            children["token_type"] = (token_type, {"x": inputs.get("token_type_ids", ids)})
        if self.norm is not None:
            children["norm"] = (self.norm, {"x": x})
        children["dropout"] = (Dropout(rate=self.dropout), {"x": x})
        return children
