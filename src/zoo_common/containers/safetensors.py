"""Safetensors (https://github.com/huggingface/safetensors#format): a length, a JSON header and the bytes.

It is read here and not by the library, from an open file: the library wants a path, and whoever trains may have
removed what had it by then. What the library refuses is refused here too: holes, overlaps, bytes that are left over.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, ClassVar

import numpy as np
from pydantic import JsonValue

from zoo_common.containers.base import BFLOAT16, Container, first_bytes, native
from zoo_common.containers.few_open import closed_if_it_fails
from zoo_common.containers.plain_json import json_mapping
from zoo_common.weights import Entry
from zoo_spec.arrays import Array
from zoo_spec.reading import open_file, printable, reading

CODES = {
    "float64": "F64", "float32": "F32", "float16": "F16", BFLOAT16.name: "BF16", "bool": "BOOL",
    "int64": "I64", "int32": "I32", "int16": "I16", "int8": "I8",
    "uint64": "U64", "uint32": "U32", "uint16": "U16", "uint8": "U8",
}  # fmt: skip
"""The format's name of each dtype."""
METADATA = "__metadata__"
_DTYPES = {code: name for name, code in CODES.items()}
_LONGEST_HEADER = 32_000_000
"""Bytes. A hundred thousand tensors take half of it; the library's own limit, 100 MB, allows gigabytes of objects."""
_LARGEST = 2**63
"""NumPy makes no array whose sizes, zeros aside, multiply to as many bytes."""
_MOST_AXES = 64


@dataclass(frozen=True)
class _Stored(Entry):
    """A tensor of a file, and where its bytes are."""

    start: int
    end: int


class Safetensors(Container):
    """One such file.

    A ``file`` that is open already is read in place of what is at ``path``, so that it can be read although it was
    renamed or removed meanwhile.
    """

    format: ClassVar[str] = "safetensors"

    def __init__(self, path: Path, file: BinaryIO | None = None) -> None:
        super().__init__(path)
        self.metadata: Mapping[str, str] = {}
        """What the writer said of the file as a whole."""
        self._file = file or open_file(path)
        with closed_if_it_fails(self._file):
            with reading(path):
                size = os.fstat(self._file.fileno()).st_size
                self._file.seek(0)
                length = int.from_bytes(self._file.read(8), "little")
                if size < 8 or length > min(_LONGEST_HEADER, size - 8):
                    raise self._damage(f"the header would have {length:,} bytes, and the file has {size:,}")
                raw = self._file.read(length)
            self._begin = 8 + length
            self._stored = self._entries(raw, size - self._begin)
        self.entries = self._stored

    @classmethod
    def sniff(cls, path: Path) -> bool:
        """Whether a header is there that begins with a brace and ends within the file."""
        first = first_bytes(path, 9)
        return first[8:] == b"{" and int.from_bytes(first[:8], "little") <= path.stat().st_size - 8

    def read(self, name: str) -> Array:
        """One array, in memory of its own. Raises InputError if the file has become shorter."""
        entry = self._stored[name]
        array = np.empty(entry.shape, np.dtype(entry.dtype).newbyteorder("<"))
        if array.size:
            with reading(self.path):
                self._file.seek(self._begin + entry.start)
                count = self._file.readinto(array.reshape(-1).view(np.uint8).data)  # type: ignore[attr-defined]
            if count != entry.end - entry.start:
                raise self.damage(f"ends within {printable(name)}")
        return native(array)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _entries(self, raw: bytes, size: int) -> dict[str, _Stored]:
        try:
            header = json_mapping(raw)
        except ValueError as error:
            raise self._damage(f"its header {error}") from error
        self.metadata = self._strings(header.pop(METADATA, {}))
        found = {name: self._entry(name, value) for name, value in header.items()}
        reached = 0
        for name, entry in sorted(found.items(), key=lambda item: (item[1].start, item[1].end)):
            if entry.start != reached:
                raise self._damage(f"{printable(name)} begins at byte {entry.start}, not at {reached}")
            reached = entry.end
        if reached != size:
            raise self._damage(f"its arrays have {reached:,} bytes, and {size:,} are there")
        return found

    def _strings(self, value: JsonValue) -> dict[str, str]:
        found = value if isinstance(value, dict) else {"": None}
        texts = {name: text for name, text in found.items() if isinstance(text, str)}
        if len(texts) != len(found):
            raise self._damage(f"its {METADATA} is no mapping of texts")
        return texts

    def _entry(self, name: str, value: JsonValue) -> _Stored:
        what = f"{printable(name)[:200]} is described by {printable(str(value)[:200])}"
        if not isinstance(value, dict) or not set(value) >= {"dtype", "shape", "data_offsets"}:
            raise self._damage(f"{what}, not by dtype, shape and data_offsets")
        code, shape, offsets = value["dtype"], _sizes(value["shape"]), _sizes(value["data_offsets"])
        dtype = _DTYPES.get(code) if isinstance(code, str) else None
        if dtype is None:
            raise self._damage(f"{what}, and the dtypes that are read here are {', '.join(_DTYPES)}")
        width = np.dtype(dtype).itemsize
        if shape is None or math.prod(size or 1 for size in shape) * width >= _LARGEST:
            raise self._damage(f"{what}, and no array can have such a shape")
        if offsets is None or len(offsets) != 2 or offsets[1] - offsets[0] != math.prod(shape) * width:
            raise self._damage(f"{what}, and the offsets do not fit the shape")
        return _Stored(dtype, shape, offsets[0], offsets[1])

    def _damage(self, reason: str) -> Exception:
        return self.damage(f"is not a safetensors file: {reason}")


def _sizes(value: JsonValue) -> tuple[int, ...] | None:
    """A list of whole numbers that are not negative, each and all together as an array has them; else None."""
    if not isinstance(value, list) or len(value) > _MOST_AXES:
        return None
    found = tuple(
        each
        for each in value
        if isinstance(each, int) and not isinstance(each, bool) and 0 <= each < _LARGEST
    )
    return found if len(found) == len(value) else None
