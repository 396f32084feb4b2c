"""Relative positions: what a pair of positions adds to the attention between them."""

from __future__ import annotations

from typing import ClassVar, Literal

from zoo_spec.base import PositiveInt
from zoo_spec.blocks.base import Block, Inputs, Outputs, ShapeError, require_sequence
from zoo_spec.initializers import Normal
from zoo_spec.parameters import Parameter
from zoo_spec.tensors import Dimension, TensorSpec


class PositionBias(Block):
    """A bias on the scores of attention for each head and pair of positions: ``[heads, sequence, sequence]``.

    Ports: ``x [batch, sequence, hidden]``, for its length. Packed rows need nothing more, since two positions of
    one example are as far apart as they stand in the row.
    """

    role: ClassVar[str] = "position_bias"
    num_heads: PositiveInt
    """Number of heads of the attention that takes the bias."""

    def infer(self, inputs: Inputs) -> Outputs:
        """``[heads, sequence, sequence]``."""
        x = inputs["x"]
        require_sequence(x)
        length = x.shape[1]
        return {"bias": TensorSpec((self.num_heads, length, length), axes=("heads", "query", "key"))}


class RelativePositions(PositionBias):
    """A learned bias for each head and bucket of distances (Raffel et al., 2020, 2.1).

    Half of a direction's buckets hold one distance each, the others grow logarithmically up to ``max_distance``,
    beyond which all share the last.
    """

    kind: Literal["relative_positions"] = "relative_positions"
    num_buckets: PositiveInt = 32
    """Number of buckets; bidirectional, half of them are for what comes later."""
    max_distance: PositiveInt = 128
    """Distance from which on all share a bucket."""
    mask: Literal["bidirectional", "causal"] = "bidirectional"
    """Whether what comes later has buckets of its own, or is never seen."""

    def infer(self, inputs: Inputs) -> Outputs:
        """``[heads, sequence, sequence]``; refuses too few buckets, or more than there are distances."""
        least = 4 if self.mask == "bidirectional" else 2
        exact = self.num_buckets // least
        if self.num_buckets < least or self.num_buckets % 2:
            raise ShapeError(f"needs an even number of buckets, at least {least}; it has {self.num_buckets}")
        if self.max_distance <= exact:
            raise ShapeError(
                f"has a bucket for each of the first {exact} distances, so max_distance {self.max_distance} must "
                "be larger"
            )
        return super().infer(inputs)

    def thresholds(self, inputs: Inputs) -> dict[Dimension, int]:
        """Rows whose ends are ``max_distance`` apart; in longer ones some distances share the last bucket."""
        return {inputs["x"].shape[1]: self.max_distance + 1}

    def parameters(self, inputs: Inputs) -> dict[str, Parameter]:
        """``weight [buckets, heads]``."""
        start = Normal(std=inputs["x"].width ** -0.5)
        return {"weight": Parameter((self.num_buckets, self.num_heads), start, "embedding")}


def bucket_table(num_buckets: int, max_distance: int, *, bidirectional: bool) -> list[int]:
    """The bucket of each ``key position - query position`` from ``-max_distance`` to ``max_distance``.

    mesh-tensorflow takes logarithms in float32; powers of integers tell the same exactly.
    """
    ahead = num_buckets // 2 if bidirectional else 0
    each = num_buckets - ahead
    exact = each // 2
    wide = each - exact

    def bucket(distance: int) -> int:
        if distance < exact:
            return distance
        # distance / exact >= (max_distance / exact) ** (step / wide)
        reached = [
            step for step in range(wide) if distance**wide >= exact ** (wide - step) * max_distance**step
        ]
        return exact + reached[-1]

    near = [bucket(distance) for distance in range(max_distance + 1)]
    later = [ahead + bucket for bucket in near[1:]] if bidirectional else [0] * max_distance
    return [*reversed(near), *later]
