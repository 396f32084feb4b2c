"""The input of a transformer: token, position and type embeddings, their sum, norm and dropout."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from zoo_spec.base import NonNegativeInt, PositiveInt, Rate
from zoo_spec.blocks.base import Block, Inputs, Outputs, ShapeError, require_ids
from zoo_spec.blocks.dropout import Dropout
from zoo_spec.blocks.embedding import Embedding
from zoo_spec.blocks.norm import Norm
from zoo_spec.blocks.position import LearnedPositions, Position
from zoo_spec.initializers import Initializer, TruncatedNormal
from zoo_spec.tensors import TensorSpec


class Embeddings(Block):
    """Sum of token, position and type embeddings (Devlin et al., 2019, figure 2), then norm and dropout.

    Ports: ``input_ids [batch, sequence]``; ``token_type_ids [batch, sequence]``, all 0 if left out;
    ``positions [batch, sequence]``. Outputs ``x [batch, sequence, size]`` and ``table [rows, size]``.
    """

    kind: Literal["embeddings"] = "embeddings"
    required = ("input_ids",)
    optional: ClassVar[tuple[str, ...]] = ("token_type_ids", "positions")
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
    initializer: Initializer = Field(default=TruncatedNormal(std=0.02))
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
            children["token_type"] = (token_type, {"x": _ids(inputs, "token_type_ids")})
        if self.norm is not None:
            children["norm"] = (self.norm, {"x": x})
        children["dropout"] = (Dropout(rate=self.dropout), {"x": x})
        return children


class TaskTypeEmbeddings(Embeddings):
    """The same, and a vector for the pre-training task that a token's example is of (Sun et al., 2020, ERNIE 2.0).

    One more port: ``task_type_ids [batch, sequence]``, all 0 if left out.
    """

    kind: Literal["task_type_embeddings"] = "task_type_embeddings"  # type: ignore[assignment]
    optional: ClassVar[tuple[str, ...]] = ("token_type_ids", "task_type_ids", "positions")
    task_type_rows: PositiveInt
    """Number of task types."""

    def infer(self, inputs: Inputs) -> Outputs:
        """``x [batch, sequence, size]`` and ``table [rows, size]``."""
        require_ids(inputs, "task_type_ids", shape=inputs["input_ids"].shape)
        return super().infer(inputs)

    def children(self, inputs: Inputs) -> dict[str, tuple[Block, Inputs]]:
        """``token``, ``position``, ``token_type``, ``norm``, ``dropout``, ``task_type``."""
        table = Embedding(rows=self.task_type_rows, size=self.size, initializer=self.initializer)
        return {**super().children(inputs), "task_type": (table, {"x": _ids(inputs, "task_type_ids")})}


def _ids(inputs: Inputs, port: str) -> TensorSpec:
    """What a table of types reads; not connected, it reads nothing, and least of all the tokens."""
    ids = inputs["input_ids"]
    return inputs.get(port, TensorSpec(ids.shape, ids.dtype, axes=ids.named_axes))
