"""How glibc hands out tensors of the CPU: large ones by themselves, and what is freed stays for the next step.

By default glibc soon serves tensors of up to 32 MB from one heap. Gradients then lie between the activations of
a step, and the next step's, of other sizes, do not fit into the gaps: BERT-base held 5 % more after a few steps.
And whatever is free at the heap's end goes back to the system, which clears it again a step later: a tenth of a step.
"""

from __future__ import annotations

import ctypes
import os
import sys

LARGE = 8 << 20
"""Bytes. Smaller limits keep less memory and pay for it in page faults: at 1 MB a step took a third longer."""

RETURNED = 1 << 20
"""Bytes from which memory goes back by itself as soon as it is free, where weights are streamed. At 128 KB a step of
few tokens took a tenth longer; at 8 MB more layers cost three times the memory of their inputs."""
KEPT = 64 << 20
"""Bytes of smaller pieces that are free and stay all the same, for the next layer."""

# glibc's names for mallopt, and for the environment where a user says otherwise.
_MMAP_THRESHOLD, _TRIM_THRESHOLD = -3, -1
_NEVER = -1


def keep_large_tensors_apart() -> bool:
    """Have glibc map large allocations one by one, and keep the rest; say whether it does.

    Nothing changes under another C library, or where the environment says what the user wants.
    """
    return _set(LARGE, _NEVER)


def give_back_what_is_free() -> bool:
    """Have glibc give the system back what is freed; say whether it does.

    Where weights are streamed, what stays with the process would grow with the number of layers.
    """
    return _set(RETURNED, KEPT)


def _set(mapped: int, kept: int) -> bool:
    said = {"MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_"} & set(os.environ)
    if not sys.platform.startswith("linux") or said:
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return bool(mallopt(_MMAP_THRESHOLD, mapped)) and bool(mallopt(_TRIM_THRESHOLD, kept))
