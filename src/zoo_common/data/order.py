"""The order in which so many things are met: a permutation that is entered anywhere, whatever their number."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import overload

import numpy as np
from numpy.typing import NDArray

from zoo_spec.random import Stream

Places = NDArray[np.int64]

DRAWN_WHOLE = 1 << 17
"""Up to so many are drawn and sorted at once, which takes 20 ms and is kept in half a megabyte."""

_ROUNDS = 4  # of two shifts each; Luby and Rackoff's proof takes two, and two more cost microseconds
_KEPT = 64


class Order:
    """A permutation of the integers from 0 to ``len(order) - 1``, which ``find`` looks up."""

    def __init__(self, count: int, find: Callable[[Places], Places]) -> None:
        self._count, self._find = count, find

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, places: int) -> int: ...

    @overload
    def __getitem__(self, places: Places) -> Places: ...

    def __getitem__(self, places: int | Places) -> int | Places:
        """Which stands at each place; IndexError unless all are from 0 to ``len(order) - 1``."""
        wanted = np.atleast_1d(np.asarray(places, np.int64))
        wrong = wanted[(wanted < 0) | (wanted >= self._count)]
        if wrong.size:
            raise IndexError(f"an order of {self._count} has no place {wrong[0]}")
        found = self._find(wanted)
        return found if isinstance(places, np.ndarray) else int(found[0])


@lru_cache(maxsize=_KEPT)
def order(seed: int, *path: int | str, count: int, whole: int = DRAWN_WHOLE) -> Order:
    """The order of ``count`` things for what ``path`` names under ``seed``; other seeds or paths give unrelated ones.

    Up to ``whole`` it is ``Stream(seed, *path).permutation(count)``. Beyond, memory and the time to begin grow
    as the root of the count, and a place is looked up in the same time whatever the count.
    """
    stream = Stream(seed, *path)
    return Order(count, _drawn(stream, count) if count <= whole else _shifted(stream, count))


def _drawn(stream: Stream, count: int) -> Callable[[Places], Places]:
    numbers = stream.permutation(count).astype(np.int32)
    return lambda places: numbers[places].astype(np.int64)


def _shifted(stream: Stream, count: int) -> Callable[[Places], Places]:
    """A Feistel network on the cells of a table that is as square as can be.

    Each round shifts one coordinate by what was drawn for the other (Luby & Rackoff, 1988, *How to construct
    pseudorandom permutations from pseudorandom functions*). A table for a count that is no square, and the walk on
    from a cell beyond the last, are Black & Rogaway's (2002, *Ciphers with arbitrary finite domains*).
    """
    rows = math.isqrt(count - 1) + 1
    columns = -(-count // rows)
    shifts = [(stream.integers(rows, columns), stream.integers(columns, rows)) for _ in range(_ROUNDS)]

    def once(cells: Places) -> Places:
        column, row = np.divmod(cells, rows)
        for of_rows, of_columns in shifts:
            row = (row + of_rows[column]) % rows
            column = (column + of_columns[row]) % columns
        return column * rows + row

    def find(places: Places) -> Places:
        found = once(places)
        while len(beyond := np.flatnonzero(found >= count)):  # One cell of each column at most.
            found[beyond] = once(found[beyond])
        return found

    return find
