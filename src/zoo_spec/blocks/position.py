"""How a model knows the order of its tokens."""

from __future__ import annotations

from typing import ClassVar, Literal

from zoo_spec.base import PositiveInt
from zoo_spec.blocks.base import Block, Inputs, Outputs, ShapeError, require_ids, require_sequence
from zoo_spec.initializers import AnyInitializer, TruncatedNormal
from zoo_spec.parameters import Parameter


class Position(Block):
    """Adds to each token's vector something that depends on its position.

    Ports: ``x [batch, sequence, hidden]`` and, for packed rows, ``positions [batch, sequence]``, each token's
    position within its example; left out, positions count from 0 along the row.
    """

    role: ClassVar[str] = "position"
    optional = ("positions",)

    def infer(self, inputs: Inputs) -> Outputs:
        """Same shape."""
        x = inputs["x"]
        require_sequence(x)
        require_ids(inputs, "positions", shape=x.shape[:2])
        return {"x": x}


class LearnedPositions(Position):
    """A learned vector for each position (Devlin et al., 2019, figure 2)."""

    kind: Literal["learned_positions"] = "learned_positions"
    size: PositiveInt = 512
    """Number of positions; the sequence may not be longer."""
    initializer: AnyInitializer = TruncatedNormal(std=0.02)
    """Initial values of the table."""

    def infer(self, inputs: Inputs) -> Outputs:
        """Same shape; refuses a known length beyond the table."""
        length = inputs["x"].shape[1] if inputs["x"].rank == 3 else 0
        if isinstance(length, int) and length > self.size:
            raise ShapeError(f"a sequence of {length} is longer than the {self.size} positions")
        return super().infer(inputs)

    def parameters(self, inputs: Inputs) -> dict[str, Parameter]:
        """``weight [size, hidden]``."""
        return {"weight": Parameter((self.size, inputs["x"].width), self.initializer, "embedding")}
