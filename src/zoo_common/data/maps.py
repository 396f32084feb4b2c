"""Arrays that are mapped, and how much of them a process holds."""

from __future__ import annotations

import mmap
import threading
from pathlib import Path
from weakref import WeakSet

import numpy as np
from numpy.typing import NDArray

AnyArray = NDArray[np.generic]
HEADER = 128
"""Bytes of an array's header, whatever its length: as many as NumPy writes where it leaves room."""
_EXAMPLES = 1024
"""Examples of which a process holds the pages: each may be read in several places, of 64 KB of pages each."""


class _Maps:
    """All of this process, and how many examples were read of them since their pages were given back."""

    def __init__(self) -> None:
        self._lock, self._maps, self._examples = threading.Lock(), WeakSet[mmap.mmap](), 0

    def add(self, each: mmap.mmap) -> None:
        with self._lock:
            self._maps.add(each)

    def let_go(self) -> None:
        if hasattr(mmap, "MADV_DONTNEED"):
            with self._lock:
                for each in self._maps:
                    each.madvise(mmap.MADV_DONTNEED)

    def let_go_after(self, examples: int) -> None:
        with self._lock:
            self._examples += examples
            is_many = self._examples >= _EXAMPLES
            if is_many:
                self._examples = 0
        if is_many:
            self.let_go()


_MAPS = _Maps()


def mapped(path: Path) -> AnyArray:
    """An array's file, mapped; one without values, of which there is nothing to map, as it is."""
    if path.stat().st_size <= HEADER:
        empty: AnyArray = np.load(path, allow_pickle=False)
        return empty
    found = np.load(path, mmap_mode="r", allow_pickle=False)
    if isinstance(found.base, mmap.mmap):
        _MAPS.add(found.base)
    # A memmap makes each slice of it slow; a plain array on the same memory does not.
    return np.asarray(found).view(np.ndarray)


def let_go() -> None:
    """Give back the pages of all mapped arrays, which a process holds once it has read them.

    The system keeps them in its cache as long as there is room, where they are found without reading a file.
    Nothing where the system has no such call.
    """
    _MAPS.let_go()


def let_go_after(examples: int) -> None:
    """So many more examples were read: ``let_go`` once they are many."""
    _MAPS.let_go_after(examples)
