"""Named arrays as a safetensors file, made in one pass with one array copied at a time.

The library's own ``save_file`` wants every array contiguous at once and then a second pass to hash the file.
The format is a length, a JSON header and the bytes (https://github.com/huggingface/safetensors#format), so it
is written here, and read back by the library.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file

from zoo_common.checkpoint.manifest import DamagedCheckpointError

Array: TypeAlias = NDArray[np.generic]

_CODES = {
    "float64": "F64", "float32": "F32", "float16": "F16", "bool": "BOOL",
    "int64": "I64", "int32": "I32", "int16": "I16", "int8": "I8",
    "uint64": "U64", "uint32": "U32", "uint16": "U16", "uint8": "U8",
}  # fmt: skip


def tensor_chunks(tensors: Mapping[str, Array]) -> Iterator[bytes | memoryview]:
    """The bytes of the file that holds these arrays, in pieces: header first, then an array at a time.

    Equal arrays give equal bytes, whatever their memory layout or the mapping's order. Raises ValueError for
    a dtype that the format does not have.
    """
    # Widest first keeps each array aligned to its item size, as the library does it.
    names = sorted(tensors, key=lambda name: (-tensors[name].dtype.itemsize, name))
    yield _header({name: tensors[name] for name in names})
    for name in names:
        array = tensors[name]
        if array.size:
            flat = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")).reshape(-1)
            yield flat.view(np.uint8).data


def file_size(tensors: Mapping[str, Array]) -> int:
    """Length in bytes of the file that holds these arrays."""
    return len(_header(tensors)) + sum(array.nbytes for array in tensors.values())


def check_tensors(path: Path) -> None:
    """Raise DamagedCheckpointError unless the header is sound and fits the file; reads the header alone."""
    try:
        with safe_open(path, framework="np"):
            pass
    except SafetensorError as error:
        raise DamagedCheckpointError(path, f"is not a safetensors file: {error}") from error


def read_tensors(path: Path) -> dict[str, Array]:
    """Every array of a file, in memory of its own. Raises DamagedCheckpointError if the file is none."""
    try:
        return dict(load_file(path))
    except (SafetensorError, TypeError, KeyError) as error:
        raise DamagedCheckpointError(path, f"cannot be read as NumPy arrays: {error}") from error


def _header(tensors: Mapping[str, Array]) -> bytes:
    entries: dict[str, object] = {}
    start = 0
    for name, array in tensors.items():
        code = _CODES.get(array.dtype.name)
        if code is None or name == "__metadata__":
            raise ValueError(f"a checkpoint cannot hold {name!r} of dtype {array.dtype}")
        entries[name] = {"dtype": code, "shape": array.shape, "data_offsets": (start, start + array.nbytes)}
        start += array.nbytes
    text = json.dumps(entries, separators=(",", ":")).encode("ascii")
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text
