"""Memory for one unit: a buffer, and arrays that are views of it."""

from __future__ import annotations

import mmap
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from math import prod

import numpy as np

from zoo_common.weights import Entry
from zoo_spec.arrays import Array

_LINE = 64
"""Bytes of a cache line, at which each array begins."""


@dataclass(frozen=True)
class Slot:
    """A unit in memory, for as long as its context lasts; the arrays are views of a buffer that others get after it.

    ``number`` is the buffer's: the same unit in the same buffer has the same addresses again. ``moments`` go by
    ``<canonical name>/<moment>``, those of weights that are trained; ``gradients`` are what was spilled. Where it
    ``takes`` them, other arrays may be put in the place of weights and moments, and are held until they are written.
    """

    number: int
    weights: dict[str, Array]
    moments: dict[str, Array]
    gradients: Mapping[str, Array]
    takes: bool = False


class Buffer:
    """Bytes, of which views are made; where it ``gives_back``, those that the newest do not take go to the system."""

    def __init__(self, number: int, size: int, *, gives_back: bool) -> None:
        self.number = number
        self._gives_back = gives_back and bool(_PRIVATE)
        self._map = mmap.mmap(-1, max(size, 1), **_PRIVATE)  # Of no cost until it is written to.
        if _PRIVATE:
            with suppress(OSError):  # A kernel without large pages.
                self._map.madvise(mmap.MADV_HUGEPAGE)  # Pages of 4 KB take three times as long to come.
        self._bytes = np.frombuffer(self._map, np.uint8)
        self._used = 0

    def views(self, *parts: Mapping[str, Entry]) -> list[dict[str, Array]]:
        """Arrays of these dtypes and shapes, one after the other, each on a line of its own."""
        found, end = [], 0
        for entries in parts:
            arrays = {}
            for name, entry in entries.items():
                size = prod(entry.shape) * np.dtype(entry.dtype).itemsize
                arrays[name] = self._bytes[end : end + size].view(entry.dtype).reshape(entry.shape)
                end += size + -size % _LINE
            found.append(arrays)
        self._give_back(end)
        return found

    def _give_back(self, end: int) -> None:
        """Have no memory behind ``end``: weights alone take a quarter of what they do with their moments."""
        start = end + -end % mmap.PAGESIZE
        if start < self._used and self._gives_back:
            self._map.madvise(mmap.MADV_DONTNEED, start, len(self._map) - start)
        self._used = end


_PRIVATE: dict[str, int] = {}
"""What makes memory that can be given back page by page, where the system has such."""
if sys.platform == "linux":
    _PRIVATE["flags"] = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS


def buffer_bytes(*parts: Mapping[str, Entry]) -> int:
    """What ``Buffer.views`` of these takes."""
    sizes = [
        prod(entry.shape) * np.dtype(entry.dtype).itemsize for entries in parts for entry in entries.values()
    ]
    return sum(size + -size % _LINE for size in sizes)
