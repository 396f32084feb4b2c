"""Named arrays as a safetensors file, made in one pass with one array copied at a time.

The library's own ``save_file`` wants every array contiguous at once and then a second pass to hash the file.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

import numpy as np

from zoo_common.containers.safetensors import CODES, METADATA
from zoo_spec.arrays import Array


def tensor_chunks(
    tensors: Mapping[str, Array], metadata: Mapping[str, str] | None = None
) -> Iterator[bytes | memoryview]:
    """The bytes of the file that holds these arrays, in pieces: header first, then an array at a time.

    Equal arrays give equal bytes, whatever their memory layout or the mapping's order. ``metadata`` is said of the
    file as a whole. Raises ValueError for a dtype that the format does not have.
    """
    # Widest first keeps each array aligned to its item size, as the library does it.
    names = sorted(tensors, key=lambda name: (-tensors[name].dtype.itemsize, name))
    yield _header({name: tensors[name] for name in names}, metadata)
    for name in names:
        array = tensors[name]
        if array.size:
            flat = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")).reshape(-1)
            yield flat.view(np.uint8).data


def file_size(tensors: Mapping[str, Array], metadata: Mapping[str, str] | None = None) -> int:
    """Length in bytes of the file that holds these arrays."""
    return len(_header(tensors, metadata)) + sum(array.nbytes for array in tensors.values())


def _header(tensors: Mapping[str, Array], metadata: Mapping[str, str] | None) -> bytes:
    entries: dict[str, object] = {METADATA: dict(metadata)} if metadata else {}
    start = 0
    for name, array in tensors.items():
        code = CODES.get(array.dtype.name)
        if code is None or name == METADATA:
            raise ValueError(f"a checkpoint cannot hold {name!r} of dtype {array.dtype}")
        entries[name] = {"dtype": code, "shape": array.shape, "data_offsets": (start, start + array.nbytes)}
        start += array.nbytes
    text = json.dumps(entries, separators=(",", ":")).encode("ascii")
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text
