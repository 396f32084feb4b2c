"""How a model knows the order of its tokens."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator

from zoo_spec.base import PositiveFloat, PositiveInt
from zoo_spec.blocks.base import Block, Inputs, Outputs, ShapeError, require_ids, require_sequence
from zoo_spec.initializers import Initializer, TruncatedNormal
from zoo_spec.parameters import Parameter


class Position(Block):
    """Adds to each token's vector something that depends on its position.

    Ports: ``x [batch, sequence, hidden]`` and, for packed rows, ``positions [batch, sequence]``, each token's
    position within its example; left out, positions count from 0 along the row.
    """

    role: ClassVar[str] = "position"
    optional: ClassVar[tuple[str, ...]] = ("positions",)

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
    initializer: Initializer = TruncatedNormal(std=0.02)
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


class OffsetPositions(Position):
    """Learned positions whose table begins with rows that no position uses (Liu et al., 2019).

    Position ``p`` has row ``p + offset``: fairseq numbers positions from the padding token's id on, so that
    RoBERTa's 512 positions are rows 2 to 513.
    """

    kind: Literal["offset_positions"] = "offset_positions"
    size: PositiveInt = 512
    """Number of positions; the sequence may not be longer."""
    offset: PositiveInt = 2
    """Rows of the table before the first position's."""
    initializer: Initializer = TruncatedNormal(std=0.02)
    """Initial values of the table."""

    def infer(self, inputs: Inputs) -> Outputs:
        """Same shape; refuses a known length beyond the table."""
        return LearnedPositions(size=self.size).infer(inputs)

    def parameters(self, inputs: Inputs) -> dict[str, Parameter]:
        """``weight [offset + size, hidden]``."""
        shape = (self.offset + self.size, inputs["x"].width)
        return {"weight": Parameter(shape, self.initializer, "embedding")}


class QueryKeyPosition(Position):
    """Acts inside attention, on queries and keys; the embeddings then add nothing.

    Ports: ``x [batch, heads, sequence, head]``, queries or keys, and ``positions [batch, sequence]``.
    """

    def infer(self, inputs: Inputs) -> Outputs:
        """Same shape."""
        x = inputs["x"]
        if x.rank != 4:
            kind = self.kind
            raise ShapeError(
                f"has {kind} positions, which act on queries and keys [batch, heads, sequence, head], "
                "inside attention; set them as its own 'position'"
            )
        require_ids(inputs, "positions", shape=(x.shape[0], x.shape[2]))
        return {"x": x}


def _even(dims: int) -> int:
    if dims % 2:
        raise ValueError(f"{dims} is odd; rotary positions turn pairs of features, so give an even number")
    return dims


class Rotary(QueryKeyPosition):
    """Turns each pair of a head's features by an angle that grows with the position (Su et al., 2021, 3.2.2).

    Pair ``i`` of position ``p`` is turned by ``p * base ** (-2 i / dims)``; the features after ``dims`` stay.
    """

    kind: Literal["rotary"] = "rotary"
    rounds_once: ClassVar[bool] = True
    dims: Annotated[PositiveInt, AfterValidator(_even)] | None = None
    """How many of each head's features are turned, the first ones; null for all."""
    style: Literal["interleaved", "halves"] = "halves"
    """Which features are pairs. ``interleaved``: 2i and 2i + 1 (the paper, GPT-J). ``halves``: i and i + dims / 2
    (GPT-NeoX). Weights of one style compute something else in the other."""
    base: PositiveFloat = 10000.0
    """Decides the angles; the larger, the slower they grow."""
    size: PositiveInt = 512
    """Number of positions whose angles are held; the sequence may not be longer."""

    def infer(self, inputs: Inputs) -> Outputs:
        """Same shape; refuses more features than a head has, and a known length beyond the positions."""
        outputs = super().infer(inputs)
        x = inputs["x"]
        width, length = x.width, x.shape[2]
        if self.dims is not None and self.dims > width:
            raise ShapeError(
                f"has rotary positions that turn {self.dims} features of each head (dims), but a head has {width}, "
                f"the hidden size over the heads; give at most {width - width % 2}"
            )
        if self.dims is None and width % 2:
            raise ShapeError(
                f"has rotary positions, which turn pairs, but a head has {width} features; give dims, an even number"
            )
        if isinstance(length, int) and length > self.size:
            raise ShapeError(f"a sequence of {length} is longer than the {self.size} positions")
        return outputs

    def turned(self, head_size: int) -> int:
        """How many of a head's features are turned."""
        return head_size if self.dims is None else self.dims


def rotary_angles(*, size: int, dims: int, base: float) -> NDArray[np.float64]:
    """By how much each pair of each position is turned, ``[size, dims / 2]``, in radians.

    In float64, of which the sines are to be taken: a float32 angle of a late position is off by more than
    float32's rounding.
    """
    speeds: NDArray[np.float64] = base ** (-np.arange(0, dims, 2, dtype=np.float64) / dims)
    return np.arange(size, dtype=np.float64)[:, None] * speeds
