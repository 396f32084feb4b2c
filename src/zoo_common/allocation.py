"""How glibc hands out tensors of the CPU: what is freed stays for the next step, in one heap or apart.

By default glibc soon serves tensors of up to 32 MB from one heap. Gradients then lie between the activations of
a step, and the next step's, of other sizes, do not fit into all gaps. And whatever is free at the heap's end goes
back to the system, which clears it again a step later: a tenth of a step.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Mapping

LARGE = 8 << 20
"""Bytes. Smaller limits keep less memory and pay for it in page faults: at 1 MB a step took a third longer."""

MOST = 32 << 20
"""The largest limit that glibc takes."""

ALIKE = 2
"""Steps of the size of the first, after which more of them are taken for granted."""

# glibc's names for mallopt, and for the environment where a user says otherwise.
_MMAP_THRESHOLD, _TRIM_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -3, -1, -4, -8
_NEVER = -1
_MANY = 1 << 16  # What glibc begins with.


class Steps:
    """Has tensors in the heap, where a step or a pass finds those of the one before it.

    Tensors that are mapped are cleared by the system each time: a step of ViT-B/16 took 7 % longer with those above
    8 MB mapped and held 2 % less, of BERT-base 2 % and 1 %. The largest are in the heap too while each step is as
    large as the last: a step of GPT-2 small, 8 rows of 512 tokens, took 5 % longer with these mapped and held 2.5 %
    less, a forward pass of 8 rows of 256 tokens 29 % and as much. Steps of many sizes, whose tensors do not fit into
    each other's gaps, would hold ever more.

    Nothing changes under another C library, or where the environment says what the user wants.
    """

    def __init__(self) -> None:
        _set({_MMAP_THRESHOLD: MOST, _TRIM_THRESHOLD: _NEVER})
        self._sizes: object = None
        self._alike = 0

    def begin(self, sizes: object) -> None:
        """Before each; ``sizes`` tell those apart that allocate otherwise."""
        before, self._alike = self._alike, self._alike + 1 if sizes == self._sizes else 0
        self._sizes = sizes
        if self._alike == ALIKE:
            _set({_MMAP_MAX: 0})
        elif self._alike == 0 and before >= ALIKE and _set({_MMAP_MAX: _MANY}):
            give_back_what_is_free()


class OneHeap:
    """As ``keep_one_heap``, whatever the steps."""

    def __init__(self) -> None:
        keep_one_heap()

    def begin(self, sizes: object) -> None:
        """Nothing changes."""


def keep_one_heap() -> None:
    """Large tensors mapped one by one, where threads that take turns would otherwise each keep a heap of their own.

    Nothing changes under another C library, or where the environment says what the user wants.
    """
    _set({_MMAP_THRESHOLD: LARGE, _TRIM_THRESHOLD: _NEVER, _ARENA_MAX: 1})


def give_back_what_is_free() -> None:
    """Have glibc give the system back what is kept and free.

    It comes again in pages of 4 KB, each of which is cleared: done once a step that is little, after each layer it
    was a quarter of a step.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if _is_ours() else None
    if trim is not None:
        trim(0)


def _is_ours() -> bool:
    said = {
        f"MALLOC_{name}_" for name in ("MMAP_THRESHOLD", "TRIM_THRESHOLD", "MMAP_MAX", "ARENA_MAX")
    } & set(os.environ)
    return sys.platform.startswith("linux") and not said


def _set(wanted: Mapping[int, int]) -> bool:
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if _is_ours() else None
    return mallopt is not None and all(mallopt(name, value) for name, value in wanted.items())
