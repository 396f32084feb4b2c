"""What running a block costs: floating-point operations, kernels, and values kept for the backward pass."""

from __future__ import annotations

from dataclasses import dataclass

BYTES = {"float64": 8, "float32": 4, "bfloat16": 2}


@dataclass(frozen=True)
class Cost:
    """Cost of one forward pass; sums with ``+``.

    ``flops``: floating-point operations of matrix products and convolutions, a multiply-add as two.
    ``kernels``: number of those products. ``saved``: values that the backward pass needs, over and above
    the parameters.
    """

    flops: int = 0
    kernels: int = 0
    saved: int = 0

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.flops + other.flops, self.kernels + other.kernels, self.saved + other.saved)


@dataclass(frozen=True)
class BlockCost:
    """A block's cost with everything inside it.

    ``training_flops`` is forward and backward: each product's backward pass is two products of its size.
    """

    name: str
    kind: str
    depth: int
    parameters: int
    flops: int
    training_flops: int
    kernels: int
    saved: int


@dataclass(frozen=True)
class GraphCost:
    """Cost of a whole graph at given sizes.

    ``flops`` and ``training_flops`` are of one forward pass and of one training step; ``bytes`` are what a
    forward pass must hold (weights) and a training step adds, by name, in the given precision.
    """

    sizes: dict[str, int]
    flops: int
    training_flops: int
    kernels: int
    bytes: dict[str, int]
    blocks: tuple[BlockCost, ...]

    @property
    def training_bytes(self) -> int:
        """Everything that a training step holds at once."""
        return sum(self.bytes.values())
