"""The products of a run, found by themselves and run without the rest, a file for each framework.

A matrix by a vector is no product here: it reads the matrix once, as any other pass over memory.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod

Clock = Callable[[], float]
Timed = Callable[[int, Clock], float]
"""Seconds of one product of so many that are run one after the other."""


@dataclass(frozen=True)
class Shape:
    """Equal products of a run."""

    what: str
    """Operation, and what it multiplies."""
    count: int
    flops: int
    """Of one."""
    timed: Timed


@dataclass(frozen=True)
class Products:
    """All products of a run."""

    run: Callable[[], object]
    """Each as often as the run has it, in its order, and nothing else."""
    shapes: Sequence[Shape]
    passed: int = 0
    """Bytes that all other operations of the run read and write; 0 where that is not counted."""

    def heaviest(self, number: int) -> list[Shape]:
        return sorted(self.shapes, key=lambda each: -each.count * each.flops)[:number]


def convolution_flops(places: Sequence[int], kernel: Sequence[int], outputs: int) -> int:
    """Of a convolution, or of either of its gradients: each of its outputs takes the kernel of its channel."""
    return 2 * prod(places) * prod(kernel) // outputs
