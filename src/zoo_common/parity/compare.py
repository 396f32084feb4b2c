"""Differences between named arrays. A NaN or an infinity on either side is an infinite difference."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from zoo_common.backend import Array
from zoo_common.parity import tolerances


@dataclass(frozen=True)
class Gap:
    """The largest difference, relative to a scale, and the name of what it was found in."""

    value: float
    name: str

    @classmethod
    def none(cls) -> Gap:
        """No difference met yet."""
        return cls(0.0, "")

    def worse(self, other: Gap) -> Gap:
        """The larger of the two; an infinite one wins over all."""
        return other if other.value > self.value or not self.name else self


def largest(value: Array) -> float:
    """Largest magnitude; infinite if anything is not finite."""
    if value.size == 0:
        return 0.0
    top = float(np.max(np.abs(np.asarray(value, np.float64))))
    return top if np.isfinite(top) else float("inf")


def gap(left: Array, right: Array, scale: float) -> float:
    """Largest difference over ``scale``; infinite for other shapes, NaN or infinity."""
    if left.shape != right.shape or not (np.isfinite(left).all() and np.isfinite(right).all()):
        return float("inf")
    difference = largest(np.asarray(left, np.float64) - np.asarray(right, np.float64))
    return 0.0 if difference == 0 else difference / scale if scale else float("inf")


def output_gap(left: Mapping[str, Array], right: Mapping[str, Array]) -> Gap:
    """The worst output, each on its own largest magnitude (of ``right``, the reference)."""
    if set(left) != set(right):
        return Gap(float("inf"), f"outputs {sorted(set(left) ^ set(right))} stand on one side only")
    worst = Gap.none()
    for name, value in right.items():
        worst = worst.worse(Gap(gap(left[name], value, largest(value)), name))
    return worst


def gradient_gap(left: Mapping[str, Array], right: Mapping[str, Array]) -> Gap:
    """The worst gradient, each on its own largest magnitude or a part of the model's, whichever is larger.

    One that is zero but for rounding in ``right``, the reference, is judged on the model's largest: its rounding
    errors come from terms of that size.
    """
    if set(left) != set(right):
        return Gap(float("inf"), f"gradients {sorted(set(left) ^ set(right))} stand on one side only")
    top = max((largest(value) for value in right.values()), default=0.0)
    worst = Gap.none()
    for name, value in right.items():
        own = largest(value)
        scale = top if own < tolerances.VANISHING * top else max(own, tolerances.GRADIENT_SCALE * top)
        worst = worst.worse(Gap(gap(left[name], value, scale), name))
    return worst
