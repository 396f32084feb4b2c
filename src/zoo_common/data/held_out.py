"""Which records are held out for evaluation, drawn by a seed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from zoo_common.data.base import Split
from zoo_common.data.order import order
from zoo_spec.data import SourceData

_DRAWN_AT_ONCE = 1 << 20


class HeldOut:
    """So many numbers from 0 on in two parts; of the smaller one as much is held as tells both apart."""

    def __init__(self, count: int, data: SourceData) -> None:
        """One at least is for evaluation, unless the fraction is 0 or there is only one."""
        fraction = data.evaluation_fraction
        held = min(max(round(count * fraction), 1), count - 1) if fraction and count > 1 else 0
        self._counts: dict[Split, int] = {"train": count - held, "eval": held}
        self._smaller: Split = "eval" if 2 * held <= count else "train"
        drawn = _drawn(data.split_seed, count, range(held) if self._smaller == "eval" else range(held, count))
        # How many of the larger part stand before each of the smaller.
        drawn -= np.arange(len(drawn), dtype=drawn.dtype)
        self._before = drawn

    def of(self, split: Split) -> Numbers:
        """The numbers of a part, which rise."""
        return Numbers(self._counts[split], self._before, split == self._smaller)


class Numbers:
    """The numbers of a part."""

    def __init__(self, count: int, before: NDArray[np.unsignedinteger], is_smaller: bool) -> None:
        self._count, self._before, self._is_smaller = count, before, is_smaller

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> int:
        """The one at a place of this part; IndexError beyond its end."""
        if not 0 <= index < self._count:
            raise IndexError(f"a part of {self._count} has no place {index}")
        if self._is_smaller:
            return int(self._before[index]) + index
        return index + int(np.searchsorted(self._before, index, side="right"))


def _drawn(seed: int, count: int, places: Sequence[int]) -> NDArray[np.unsignedinteger]:
    """What stands at these places of an order of so many, sorted."""
    found = np.empty(len(places), np.min_scalar_type(max(count, 1)))
    for start in range(0, len(places), _DRAWN_AT_ONCE):
        some = places[start : start + _DRAWN_AT_ONCE]
        drawn = order(seed, "held_out", count=count)[np.arange(some[0], some[-1] + 1)]
        found[start : start + len(some)] = drawn
    found.sort()
    return found
