"""Which lengths stand together in a row: best-fit decreasing over the histogram of lengths.

As Krell et al. (2021, *Efficient Sequence Packing without Cross-contamination*, 3.2) pack a histogram and not
examples: what is decided for one example of some length is decided at once for as many rows as have the same room.
An example may be long in several dimensions, each with a room of its own (source and target, masked positions).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Sizes = NDArray[np.int64]

_CLASSES = 4096
"""Different lengths that are told apart at most; where there are more, they are rounded up, in every dimension."""
_AT_ONCE = 1 << 20


@dataclass(frozen=True)
class Pattern:
    """Rows that hold the same lengths: ``classes`` with how many of each, in ``rows`` of them."""

    classes: tuple[tuple[int, int], ...]
    rows: int

    @property
    def examples(self) -> int:
        """Examples in each row."""
        return sum(number for _, number in self.classes)


@dataclass(frozen=True)
class Histogram:
    """``sizes [classes, dimensions]`` that occur, ``counts`` of each, and of which class each example is."""

    sizes: Sizes
    counts: Sizes
    classes: NDArray[np.int16]


def histogram(lengths: Sequence[NDArray[np.int32]], room: Sizes) -> Histogram:
    """The lengths that occur, of ``[examples]`` for each dimension, longest first; none is above its ``room``."""
    step = 1
    keys, counts = _occurring(lengths, room, step)
    while len(keys) > _CLASSES:
        step *= 2
        keys, counts = _occurring(lengths, room, step)
    sizes = np.stack(np.unravel_index(keys, tuple(room + 1)), axis=1)
    longest_first = np.lexsort([*sizes.T[::-1], (sizes / room).max(1)])[::-1]
    place = np.empty(len(sizes), np.int16)
    place[longest_first] = np.arange(len(sizes), dtype=np.int16)
    parts = [place[np.searchsorted(keys, part)] for part in _keys(lengths, room, step)]
    return Histogram(sizes[longest_first], counts[longest_first], np.concatenate(parts))


def _occurring(lengths: Sequence[NDArray[np.int32]], room: Sizes, step: int) -> tuple[Sizes, Sizes]:
    keys, counts = np.zeros(0, np.int64), np.zeros(0, np.int64)
    for part in _keys(lengths, room, step):
        found, times = np.unique(part, return_counts=True)
        keys, which = np.unique(np.concatenate([keys, found]), return_inverse=True)
        summed = np.zeros(len(keys), np.int64)
        np.add.at(summed, which, np.concatenate([counts, times]))
        counts = summed
    return keys, counts


def _keys(lengths: Sequence[NDArray[np.int32]], room: Sizes, step: int) -> Iterator[Sizes]:
    """A number for each example's lengths, rounded up to ``step``; in parts, lest memory grow."""
    for start in range(0, len(lengths[0]), _AT_ONCE):
        columns = [column[start : start + _AT_ONCE].astype(np.int64) for column in lengths]
        rounded = [
            np.minimum(-(-column // step) * step, most) for column, most in zip(columns, room, strict=True)
        ]
        yield np.ravel_multi_index(tuple(rounded), tuple(room + 1))


def patterns(found: Histogram, room: Sizes, most_examples: int | None) -> list[Pattern]:
    """Rows that hold every example once, none of them more than ``room`` or ``most_examples``."""
    rows = _Rows(room, most_examples or int(found.counts.sum()))
    smallest = found.sizes.min(0)
    for kind, (size, count) in enumerate(zip(found.sizes, found.counts, strict=True)):
        rows.put(kind, size, int(count), smallest)
    return rows.patterns()


class _Rows:
    """Rows that are not full yet, as many as are alike together; and those to which nothing is added any more."""

    def __init__(self, room: Sizes, most: int) -> None:
        self._room, self._most = room, most
        self._left: Sizes = np.zeros((0, len(room)), np.int64)
        self._slots: Sizes = np.zeros(0, np.int64)
        self._open: list[Pattern] = []
        self._full: list[Pattern] = []

    def put(self, kind: int, size: Sizes, count: int, smallest: Sizes) -> None:
        """``count`` examples of one size: into the fullest rows that have room for one, then into new ones."""
        fits = np.flatnonzero((self._left >= size).all(1) & (self._slots > 0))
        spare = ((self._left[fits] - size) / self._room).sum(1)
        gone: list[int] = []
        added: list[tuple[Pattern, Sizes, int]] = []
        for at in fits[np.argsort(spare, kind="stable")].tolist():
            if not count:
                break
            pattern, left, slots = self._open[at], self._left[at], int(self._slots[at])
            gone.append(at)
            for number, rows in _shares(count, _most(left, size, slots), pattern.rows):
                classes = (*pattern.classes, (kind, number)) if number else pattern.classes
                added.append((Pattern(classes, rows), left - number * size, slots - number))
                count -= number * rows
        if count:
            each = _most(self._room, size, self._most)
            for number, rows in _shares(count, each, -(-count // each)):
                added.append(
                    (Pattern(((kind, number),), rows), self._room - number * size, self._most - number)
                )
        self._change(gone, added, smallest)

    def _change(self, gone: list[int], added: list[tuple[Pattern, Sizes, int]], smallest: Sizes) -> None:
        useful = [each for each in added if (each[1] >= smallest).all() and each[2]]
        self._full += [pattern for pattern, left, slots in added if not ((left >= smallest).all() and slots)]
        kept = np.setdiff1d(np.arange(len(self._open)), gone)
        self._open = [self._open[at] for at in kept.tolist()] + [pattern for pattern, _, _ in useful]
        new = np.array([left for _, left, _ in useful], np.int64).reshape(-1, len(self._room))
        self._left = np.concatenate([self._left[kept], new])
        self._slots = np.concatenate(
            [self._slots[kept], np.array([slots for _, _, slots in useful], np.int64)]
        )

    def patterns(self) -> list[Pattern]:
        """All of them."""
        return self._full + self._open


def _most(left: Sizes, size: Sizes, slots: int) -> int:
    """How many examples of a size go into the room that is left."""
    return min(slots, *(int(room // each) for room, each in zip(left, size, strict=True) if each))


def _shares(count: int, each: int, rows: int) -> list[tuple[int, int]]:
    """``count`` examples in ``rows``, up to ``each`` in one: how many in how many rows, some of them in none."""
    full = min(count // each, rows)
    rest = min(count - full * each, each) if full < rows else 0
    shares = [(each, full), (rest, 1 if rest else 0), (0, rows - full - (1 if rest else 0))]
    return [(number, of) for number, of in shares if of]
