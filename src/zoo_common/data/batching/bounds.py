"""Which bounds buckets have, where a spec does not say them: those that fill up least."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

_AT_ONCE = 1 << 20


def histogram(lengths: NDArray[np.int32]) -> NDArray[np.int64]:
    """How many examples have each length, ``[longest + 1]``; in parts, so that no copy of all is made."""
    counts = np.zeros(int(lengths.max(initial=0)) + 1, np.int64)
    for start in range(0, len(lengths), _AT_ONCE):
        counts += np.bincount(lengths[start : start + _AT_ONCE], minlength=len(counts))
    return counts


def best_bounds(counts: NDArray[np.int64], buckets: int) -> tuple[int, ...]:
    """At most so many bounds, rising, with which examples of these lengths are filled up by the least in all.

    ``counts[n]`` examples have the length ``n``. By dynamic programming over the lengths that there are: with one
    bucket more, the last of which begins behind length ``i``, everything up to ``x`` is ``cost[i] + x (N(x) - N(i))``
    long, filled up. For each ``i`` that is a line in ``x``, and the lowest line at rising ``x`` is found in one walk
    along their lower hull, so that a million lengths take seconds and a few arrays.
    """
    lengths = np.flatnonzero(counts)
    if not len(lengths):
        return ()
    reached = np.cumsum(counts[lengths]).tolist()
    sizes = lengths.tolist()
    cost = [size * number for size, number in zip(sizes, reached, strict=True)]
    begins: list[list[int]] = []
    for _ in range(min(buckets, len(sizes)) - 1):
        cost, begin = _one_more(sizes, reached, cost)
        begins.append(begin)
    found, last = [sizes[-1]], len(sizes) - 1
    for begin in reversed(begins):
        last = begin[last]
        if last < 0:
            break
        found.append(sizes[last])
    return tuple(found[::-1])


def _one_more(sizes: list[int], reached: list[int], cost: list[int]) -> tuple[list[int], list[int]]:
    """The least cost up to each length with a bucket more, and behind which length its last one begins; -1: none."""
    hull: deque[tuple[int, int, int]] = deque([(0, 0, -1)])  # slope, intercept and what it stands for
    found, begin = [], []
    for index, (size, number) in enumerate(zip(sizes, reached, strict=True)):
        while len(hull) > 1 and _at(hull[1], size) <= _at(hull[0], size):
            hull.popleft()
        found.append(size * number + _at(hull[0], size))
        begin.append(hull[0][2])
        line = (-number, cost[index], index)
        while len(hull) > 1 and _is_above(hull[-2], hull[-1], line):
            hull.pop()
        hull.append(line)
    return found, begin


def _at(line: tuple[int, int, int], size: int) -> int:
    slope, intercept, _ = line
    return slope * size + intercept


def _is_above(first: tuple[int, int, int], middle: tuple[int, int, int], last: tuple[int, int, int]) -> bool:
    """Whether the middle one of three lines of falling slopes is nowhere the lowest."""
    return (last[1] - first[1]) * (first[0] - middle[0]) <= (middle[1] - first[1]) * (first[0] - last[0])
