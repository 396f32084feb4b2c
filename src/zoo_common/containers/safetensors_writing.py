"""Named arrays as a safetensors file, made in one pass with one array copied at a time.

The library's own ``save_file`` wants every array contiguous at once and then a second pass to hash the file.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping

import numpy as np

from zoo_common.containers.safetensors import CODES, METADATA
from zoo_common.weights import Entry, WeightSource
from zoo_spec.arrays import Array


def tensor_chunks(
    tensors: Mapping[str, Array], metadata: Mapping[str, str] | None = None
) -> Iterator[bytes | memoryview]:
    """The bytes of the file that holds these arrays, in pieces: header first, then an array at a time.

    Equal arrays give equal bytes, whatever their memory layout or the mapping's order; those of a ``WeightSource``
    are read one after the other. ``metadata`` is said of the file as a whole. Raises ValueError for a dtype that the
    format does not have.
    """
    entries = _entries(tensors)
    yield header(entries, metadata)
    for name in entries:
        array = tensors[name]
        if array.size:
            flat = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")).reshape(-1)
            yield flat.view(np.uint8).data
            # Whoever takes these pieces lets go of the tensor before the next one is read.
            del flat
        del array
        yield b""


def file_size(tensors: Mapping[str, Array], metadata: Mapping[str, str] | None = None) -> int:
    """Length in bytes of the file that holds these arrays; nothing of a ``WeightSource`` is read."""
    entries = _entries(tensors)
    return len(header(entries, metadata)) + sum(map(size_of, entries.values()))


def size_of(entry: Entry) -> int:
    """A tensor's bytes."""
    return math.prod(entry.shape) * np.dtype(entry.dtype).itemsize


def header(
    entries: Mapping[str, Entry], metadata: Mapping[str, str] | None = None, *, alignment: int = 8
) -> bytes:
    """What such a file begins with, as long as a multiple of ``alignment``; the tensors follow in this order."""
    described: dict[str, object] = {METADATA: dict(metadata)} if metadata else {}
    start = 0
    for name, entry in entries.items():
        code = CODES.get(entry.dtype)
        if code is None or name == METADATA:
            raise ValueError(f"a checkpoint cannot hold {name!r} of dtype {entry.dtype}")
        end = start + size_of(entry)
        described[name] = {"dtype": code, "shape": entry.shape, "data_offsets": (start, end)}
        start = end
    text = json.dumps(described, separators=(",", ":")).encode("ascii")
    text += b" " * (-(len(text) + 8) % alignment)
    return len(text).to_bytes(8, "little") + text


def _entries(tensors: Mapping[str, Array]) -> dict[str, Entry]:
    """What is known of each, widest first: that keeps each aligned to its item size, as the library does it."""
    known: Mapping[str, Entry] = (
        tensors.entries
        if isinstance(tensors, WeightSource)
        else {name: Entry(array.dtype.name, array.shape) for name, array in tensors.items()}
    )
    # 0 for what the header then refuses: not every name of a dtype is one to NumPy.
    widths = {
        name: np.dtype(entry.dtype).itemsize if entry.dtype in CODES else 0 for name, entry in known.items()
    }
    return {name: known[name] for name in sorted(known, key=lambda name: (-widths[name], name))}
