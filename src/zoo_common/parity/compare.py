"""Differences between named arrays. A NaN, or an infinity on one side, is an infinite difference."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from zoo_common.backend import Array
from zoo_common.parity import tolerances

_OWN: Mapping[str, float] = {}
"""No sizes: each tensor is judged on its own."""


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
    """Largest difference over ``scale``; infinite for other shapes, NaN or infinity.

    None between tensors that are infinite as a whole, as the loss of labels that cannot be said is.
    """
    if left.shape == right.shape and (left == np.inf).all() and (right == np.inf).all():
        return 0.0
    if left.shape != right.shape or not (np.isfinite(left).all() and np.isfinite(right).all()):
        return float("inf")
    difference = largest(np.asarray(left, np.float64) - np.asarray(right, np.float64))
    return 0.0 if difference == 0 else difference / scale if scale else float("inf")


def output_gap(left: Mapping[str, Array], right: Mapping[str, Array]) -> Gap:
    """The worst of ``output_gaps``."""
    return worst(output_gaps(left, right))


def output_gaps(
    left: Mapping[str, Array], right: Mapping[str, Array], sizes: Mapping[str, float] = _OWN
) -> dict[str, Gap]:
    """Each output's gap on its own largest magnitude (of ``right``, the reference), or a larger of ``sizes``."""
    return _alone("outputs", left, right) or {
        name: Gap(gap(left[name], value, max(largest(value), sizes.get(name, 0.0))), name)
        for name, value in right.items()
    }


def gradient_gaps(
    left: Mapping[str, Array], right: Mapping[str, Array], sizes: Mapping[str, float] = _OWN
) -> dict[str, Gap]:
    """Each gradient's gap on its own largest magnitude, or a larger of ``sizes``, or a part of the model's largest.

    One that is zero but for rounding in ``right``, the reference, is judged on the model's largest: its rounding
    errors come from terms of that size.
    """
    own = {name: max(largest(value), sizes.get(name, 0.0)) for name, value in right.items()}
    top = max(own.values(), default=0.0)

    def scale(size: float) -> float:
        return top if size < tolerances.VANISHING * top else max(size, tolerances.GRADIENT_SCALE * top)

    return _alone("gradients", left, right) or {
        name: Gap(gap(left[name], value, scale(own[name])), name) for name, value in right.items()
    }


def worst(gaps: Mapping[str, Gap]) -> Gap:
    """The largest of several."""
    found = Gap.none()
    for each in gaps.values():
        found = found.worse(each)
    return found


def _alone(what: str, left: Mapping[str, Array], right: Mapping[str, Array]) -> dict[str, Gap]:
    """An infinite gap for each name that stands on one side only."""
    names = sorted(set(left) ^ set(right))
    return {name: Gap(float("inf"), f"{what} {names} stand on one side only") for name in names}
