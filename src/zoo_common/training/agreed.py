"""What replicas compare, so that none goes its own way: code, weights, and batches of a program."""

from __future__ import annotations

import sys
import zlib
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path

import numpy as np

from zoo_common.backend import Batch, State
from zoo_common.data.batch_marks import batch_mark
from zoo_common.replicas import Replicas, same


def code_hash() -> str:
    """The hash of every file of this package's code that may run here."""
    found = sha256()
    for name in sorted(name for name in sys.modules if name.startswith("zoo_") and "." not in name):
        file = sys.modules[name].__file__
        for path in sorted(Path(file).parent.rglob("*.py")) if file is not None else ():
            found.update(path.name.encode() + path.read_bytes())
    return found.hexdigest()[:12]


def state_hash(state: State) -> str:
    """Of every bit of the weights and of the optimizer; no defence against forgers."""
    found = 0
    for part in (state.weights, state.optimizer):
        for name in sorted(part):
            bits = np.ascontiguousarray(part[name]).reshape(-1).view(np.uint8)
            found = zlib.crc32(bits.data, zlib.crc32(name.encode(), found))
    return f"{found:08x}"


def same_batches(replicas: Replicas, batches: Iterator[Batch], start: int) -> Iterator[Batch]:
    """The batches of a program, which every replica is given; InputError where they are not the same."""
    step = start
    while True:
        step += 1
        batch: Mapping[str, np.ndarray] | None = next(batches, None)
        mark = "none: the input has ended" if batch is None else f"of the hash {batch_mark(batch)}"
        same(replicas, f"the batch of step {step}", mark)
        if batch is None:
            return
        yield batch
