"""Tensors of a file that only say again what a weight says: compared with it, one in memory at a time."""

from __future__ import annotations

import hashlib

import numpy as np

from zoo_common.interop.matching import Match, Renamed
from zoo_common.weights import WeightSource
from zoo_spec.arrays import Array, rounded
from zoo_spec.foreign.names import Repeat


def differing_ties(found: Match, source: WeightSource) -> dict[str, str]:
    """Tied tensors that hold something else than the weight that is taken: that weight's name by theirs."""
    taken = Renamed(source, found.taken)
    return {
        given: repeat.of
        for repeat, given in found.repeats
        if repeat.value is None and repeat.of in taken and _digest(source, given) != _digest(taken, repeat.of)
    }


def differing_buffers(found: Match, source: WeightSource) -> dict[str, str]:
    """Buffers that do not hold what follows from the weight: that weight's name by theirs."""
    taken = Renamed(source, found.taken)
    return {
        given: repeat.of
        for repeat, given in found.repeats
        if repeat.value is not None and repeat.of in taken and not _follows(repeat, source, given, taken)
    }


def _digest(source: WeightSource, name: str) -> bytes:
    """What tells a tensor's values and shape; nothing of it stays in memory."""
    entry, array = source.entries[name], source.read(name)
    head = f"{entry.dtype} {list(entry.shape)}".encode()
    return hashlib.sha256(
        head + hashlib.sha256(np.ascontiguousarray(array).view(np.uint8).data).digest()
    ).digest()


def _follows(repeat: Repeat, source: WeightSource, given: str, taken: Renamed) -> bool:
    there = source.read(given)
    wanted: Array = repeat.of_weight(taken.read(repeat.of))
    if there.dtype.name == "bfloat16":
        return bool(np.array_equal(there.astype(np.float32), rounded(wanted, "bfloat16")))
    return there.shape == wanted.shape and bool(np.array_equal(there, wanted.astype(there.dtype)))
