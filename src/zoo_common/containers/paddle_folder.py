"""A folder of Paddle's first years, one file a variable (``params/`` of the ERNIE of 2019).

A file is, with the low byte first: uint32 version 0; uint64 number of levels of detail (LoD), each a uint64 length
and so many bytes; uint32 version 0; int32 length of a protobuf message ``TensorDesc`` (1: data_type, 2: dims,
repeated int64) and the message; the values, row by row. Source: PaddlePaddle/Paddle,
paddle/fluid/framework/lod_tensor.cc (``SerializeToStream``), tensor_util.cc (``TensorToStream``), framework.proto
(``VarType.Type``).
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import BinaryIO, ClassVar

import numpy as np

from zoo_common.containers.base import Container, first_bytes
from zoo_common.containers.windows import Window, read_array
from zoo_common.weights import Entry
from zoo_spec.arrays import Array
from zoo_spec.reading import UnreadableFileError, open_file, reading

_DTYPES = {
    0: "bool",
    1: "int16",
    2: "int32",
    3: "int64",
    4: "float16",
    5: "float32",
    6: "float64",
    20: "uint8",
    21: "int8",
    22: "bfloat16",
    23: "complex64",
    24: "complex128",
}
_MOST_DESCRIBED = 4096
_MOST_FILES = 100_000
_SNIFFED = 50


@dataclass(frozen=True)
class _Variable:
    file: Path
    start: int
    entry: Entry


class PaddleFolder(Container):
    """Variables by the names of their files; files that begin with a point are none."""

    format: ClassVar[str] = "paddle_folder"

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._variables = {file.name: _described(file) for file in _files(path, _MOST_FILES)}
        if not self._variables:
            raise self.damage("holds no files")
        self.entries = {name: variable.entry for name, variable in self._variables.items()}

    @classmethod
    def sniff(cls, path: Path) -> bool:
        """Whether a folder has a file that begins as a variable does."""
        return path.is_dir() and any(map(_is_variable, _files(path, _SNIFFED)))

    def read(self, name: str) -> Array:
        """The variable's values; its file is open meanwhile only."""
        variable = self._variables[name]
        entry = variable.entry
        with open_file(variable.file) as file, reading(variable.file):
            flat = read_array(file, variable.file, variable.start, np.dtype(entry.dtype), prod(entry.shape))
        return flat.reshape(entry.shape)

    def close(self) -> None:
        """Nothing is open."""


def _files(path: Path, most: int) -> list[Path]:
    with reading(path):
        found = sorted(each for each in path.iterdir() if each.is_file() and not each.name.startswith("."))
    if len(found) > _MOST_FILES:
        raise UnreadableFileError(path, f"holds {len(found):,} files, and {_MOST_FILES:,} are the most")
    return found[:most]


def _is_variable(file: Path) -> bool:
    head = first_bytes(file, 20)
    if len(head) < 20 or struct.unpack_from("<IQI", head) != (0, 0, 0):
        return False
    return 2 <= int(struct.unpack_from("<i", head, 16)[0]) <= _MOST_DESCRIBED


def _described(path: Path) -> _Variable:
    with open_file(path) as file, reading(path):
        return _read_description(file, path)


def _read_description(file: BinaryIO, path: Path) -> _Variable:
    window = Window(file, path, 0, os.fstat(file.fileno()).st_size)
    version, levels = struct.unpack("<IQ", window.read(12))
    if version or levels > 16:
        window.refuse("does not begin as a variable of Paddle's does")
    for _ in range(levels):
        window.skip(struct.unpack("<Q", window.read(8))[0])
    version, size = struct.unpack("<Ii", window.read(8))
    if version or not 0 < size <= _MOST_DESCRIBED:
        window.refuse("does not say what it holds as a variable of Paddle's does")
    kind, shape = _message(Window(file, path, window.position, window.position + size))
    window.skip(size)
    if kind not in _DTYPES:
        window.refuse(f"holds values of Paddle's type {kind}, which are no numbers")
    wanted = prod(shape) * np.dtype(_DTYPES[kind]).itemsize
    if window.left != wanted:
        window.refuse(f"has {window.left:,} bytes of values, and a shape of {list(shape)}, for {wanted:,}")
    return _Variable(path, window.position, Entry(_DTYPES[kind], shape))


def _message(window: Window) -> tuple[int | None, tuple[int, ...]]:
    kind: int | None = None
    dims: list[int] = []
    while window.left:
        key = _varint(window)
        if key == 0x08:
            kind = _varint(window)
        elif key == 0x10:
            dims.append(_varint(window))
        elif key == 0x12:  # The dims packed into one field, which readers of protobuf must take too.
            end = _varint(window) + window.position
            while window.position < end:
                dims.append(_varint(window))
        else:
            window.refuse("does not say what it holds as a variable of Paddle's does")
    if any(dim >= 1 << 60 for dim in dims) or len(dims) > 32:
        window.refuse("has a shape that is none")
    return kind, tuple(dims)


def _varint(window: Window) -> int:
    value = 0
    for shift in range(0, 70, 7):
        byte = window.read(1)[0]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value
    window.refuse("does not say what it holds as a variable of Paddle's does")
