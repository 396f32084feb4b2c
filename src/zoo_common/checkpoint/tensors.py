"""Named arrays as a safetensors file, made in one pass with one array copied at a time.

The library's own ``save_file`` wants every array contiguous at once and then a second pass to hash the file.
The format is a length, a JSON header and the bytes (https://github.com/huggingface/safetensors#format), so it
is written here. It is read here too, from an open file: the library wants a path, and whoever trains may have
removed what had it by then.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from zoo_common.checkpoint.manifest import DamagedCheckpointError
from zoo_common.weights import Entry, WeightSource
from zoo_spec.reading import printable, reading

Array: TypeAlias = NDArray[np.generic]

_CODES = {
    "float64": "F64", "float32": "F32", "float16": "F16", "bool": "BOOL",
    "int64": "I64", "int32": "I32", "int16": "I16", "int8": "I8",
    "uint64": "U64", "uint32": "U32", "uint16": "U16", "uint8": "U8",
}  # fmt: skip
_DTYPES = {code: name for name, code in _CODES.items()}
_LONGEST_HEADER = 100_000_000
"""Bytes, as the library has it."""
_LARGEST = 2**63
"""NumPy makes no array whose sizes, zeros aside, multiply to as many bytes."""


@dataclass(frozen=True)
class Stored(Entry):
    """A tensor of a file, and where its bytes are."""

    start: int
    end: int


class TensorFile(WeightSource):
    """Arrays by name, in a file that is held open: it can be read although it was renamed or removed meanwhile.

    Making it reads the header alone. Raises DamagedCheckpointError unless that is sound and fits the file.
    """

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self.path = path
        self._file = file
        with reading(path):
            size = os.fstat(file.fileno()).st_size
            file.seek(0)
            length = int.from_bytes(file.read(8), "little")
            if size < 8 or length > min(_LONGEST_HEADER, size - 8):
                raise self._damage(f"the header would have {length:,} bytes, and the file has {size:,}")
            raw = file.read(length)
        self._begin = 8 + length
        self._stored = self._entries(raw, size - self._begin)
        self.entries = self._stored

    def read(self, name: str) -> Array:
        """One array, in memory of its own. Raises DamagedCheckpointError if the file has become shorter."""
        entry = self._stored[name]
        array = np.empty(entry.shape, np.dtype(entry.dtype).newbyteorder("<"))
        if array.size:
            with reading(self.path):
                self._file.seek(self._begin + entry.start)
                count = self._file.readinto(array.reshape(-1).view(np.uint8).data)  # type: ignore[attr-defined]
            if count != entry.end - entry.start:
                raise DamagedCheckpointError(self.path, f"ends within {printable(name)}")
        return array.astype(entry.dtype, copy=False)

    def _entries(self, raw: bytes, size: int) -> dict[str, Stored]:
        try:
            header = json.loads(raw)
        except (ValueError, RecursionError) as error:
            raise self._damage(f"its header is not JSON: {error}") from error
        if not isinstance(header, dict):
            raise self._damage("its header is no mapping")
        header.pop("__metadata__", None)
        found = {name: self._entry(name, value) for name, value in header.items()}
        reached = 0
        for name, entry in sorted(found.items(), key=lambda item: (item[1].start, item[1].end)):
            if entry.start != reached:
                raise self._damage(f"{printable(name)} begins at byte {entry.start}, not at {reached}")
            reached = entry.end
        if reached != size:
            raise self._damage(f"its arrays have {reached:,} bytes, and {size:,} are there")
        return found

    def _entry(self, name: str, value: JsonValue) -> Stored:
        what = f"{printable(name)} is described by {printable(str(value))[:200]}"
        if not isinstance(value, dict) or set(value) != {"dtype", "shape", "data_offsets"}:
            raise self._damage(f"{what}, not by dtype, shape and data_offsets")
        code, shape, offsets = value["dtype"], _sizes(value["shape"]), _sizes(value["data_offsets"])
        dtype = _DTYPES.get(code) if isinstance(code, str) else None
        if dtype is None:
            raise self._damage(f"{what}, and a checkpoint's dtypes are {', '.join(_DTYPES)}")
        width = np.dtype(dtype).itemsize
        if shape is None or math.prod(size or 1 for size in shape) * width >= _LARGEST:
            raise self._damage(f"{what}, and no array can have such a shape")
        if offsets is None or len(offsets) != 2 or offsets[1] - offsets[0] != math.prod(shape) * width:
            raise self._damage(f"{what}, and the offsets do not fit the shape")
        return Stored(dtype, shape, offsets[0], offsets[1])

    def _damage(self, reason: str) -> DamagedCheckpointError:
        return DamagedCheckpointError(self.path, f"is not a safetensors file: {reason}")


def _sizes(value: JsonValue) -> tuple[int, ...] | None:
    """A list of whole numbers that are not negative; None for anything else."""
    if not isinstance(value, list):
        return None
    found = tuple(
        each for each in value if isinstance(each, int) and not isinstance(each, bool) and each >= 0
    )
    return found if len(found) == len(value) else None


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
