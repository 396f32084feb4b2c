"""What running a block costs: floating-point operations, kernels, and values kept for the backward pass."""

from __future__ import annotations

from dataclasses import dataclass

BYTES = {"float64": 8, "float32": 4, "bfloat16": 2}


@dataclass(frozen=True)
class Cost:
    """Cost of one forward pass; sums with ``+``.

    ``flops``: floating-point operations of matrix products and convolutions, a multiply-add as two.
    ``kernels``: number of those products. ``saved``: values that the backward pass needs, over and above
    the parameters, in the compute dtype; ``wide``: those that it needs in float32 or wider, whatever that is.
    """

    flops: int = 0
    kernels: int = 0
    saved: int = 0
    wide: int = 0

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            self.flops + other.flops,
            self.kernels + other.kernels,
            self.saved + other.saved,
            self.wide + other.wide,
        )

    def __mul__(self, count: int) -> Cost:
        return Cost(self.flops * count, self.kernels * count, self.saved * count, self.wide * count)

    def saved_bytes(self, precision: str) -> int:
        """What the backward pass needs, in bytes."""
        return self.saved * BYTES[precision] + self.wide * held_bytes(precision)


def held_bytes(precision: str) -> int:
    """Bytes of a parameter, and of whatever else is never narrower than float32."""
    return max(BYTES[precision], BYTES["float32"])


@dataclass(frozen=True)
class BlockCost:
    """A block's cost with everything inside it.

    ``training_flops`` is forward and backward: each product's backward pass is two products of its size, and
    what is recomputed runs forward twice. ``saved`` is a number of values; inside a recomputed layer it counts
    what lives for as long as that layer is being recomputed.
    """

    name: str
    kind: str
    depth: int
    parameters: int
    flops: int
    training_flops: int
    kernels: int
    saved: int
