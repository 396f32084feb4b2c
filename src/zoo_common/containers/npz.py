"""NumPy's ``.npz``: a zip of ``.npy`` files, as google-research/vision_transformer publishes its weights."""

from __future__ import annotations

import io
import itertools
import math
import os
import struct
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, ClassVar

import numpy as np
from numpy.lib import format as npy

from zoo_common.containers.base import BFLOAT16, Container, first_bytes, native
from zoo_common.containers.few_open import closed_if_it_fails
from zoo_common.weights import Entry
from zoo_spec.arrays import Array
from zoo_spec.reading import open_file, printable, reading

_SUFFIX = ".npy"
_MEMBER = b"PK\3\4"
_ENCRYPTED = 1
_LONGEST_LIST = 32_000_000
_LONGEST_END = 22 + 65_535
_LONGEST_HEADER = 10_000
_FREE = 1 << 30
_MOST_EXPANSION = 20
"""Weights hardly compress; a head of zeros does, a thousandfold, and a gigabyte of them is no head."""
_CHUNK = 1 << 20


@dataclass(frozen=True)
class _Stored(Entry):
    """An array, the member of the zip that has it, and how it is written there."""

    member: str
    written: np.dtype[np.generic]
    fortran: bool


class Npz(Container):
    """One such file; each array is read from its member as it is asked for, and the member's checksum verified.

    An array in Fortran's order comes in C's, one of another byte order in the machine's, and one of two bytes without
    a type is taken for bfloat16, for which ``.npy`` has no name. Raises InputError for objects (which would be
    pickles), texts, records, and for members that are encrypted, share bytes, or expand beyond reason.
    """

    format: ClassVar[str] = "npz"

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._file = open_file(path)
        with closed_if_it_fails(self._file), reading(path):
            self._check_list()
            self._zip = zipfile.ZipFile(self._file)
            self._check_members(self._zip.infolist())
            stored = [self._entry(info) for info in self._zip.infolist()]
        self._stored = {each.member.removesuffix(_SUFFIX): each for each in stored}
        self.entries = self._stored

    @classmethod
    def sniff(cls, path: Path) -> bool:
        """Whether it is a zip whose first member is an array."""
        first = first_bytes(path, 30 + 65_535)
        if not first.startswith(_MEMBER) or len(first) < 30:
            return False
        (length,) = struct.unpack_from("<H", first, 26)
        return first[30 : 30 + length].endswith(_SUFFIX.encode())

    def read(self, name: str) -> Array:
        """One array, in memory of its own."""
        entry = self._stored[name]
        with reading(self.path), self._zip.open(entry.member) as member:
            array = np.empty(entry.shape, entry.written, order="F" if entry.fortran else "C")
            octets = array.reshape(-1, order="A").view(np.uint8).data if array.size else memoryview(b"")
            _header(member)
            filled = 0
            while filled < len(octets) and (part := member.read(min(_CHUNK, len(octets) - filled))):
                octets[filled : filled + len(part)] = part
                filled += len(part)
            if filled < len(octets) or member.read(1):
                raise self.damage(f"{printable(name)} has other than its {len(octets):,} bytes")
        array = array.view(BFLOAT16) if entry.dtype == BFLOAT16.name else native(array)
        return np.ascontiguousarray(array).reshape(entry.shape)

    def close(self) -> None:
        """Close the file."""
        self._zip.close()
        self._file.close()

    def _check_list(self) -> None:
        """Refuse a list of members that is longer than one is, before the library makes objects of it."""
        size = os.fstat(self._file.fileno()).st_size
        start = max(0, size - _LONGEST_END)
        self._file.seek(start)
        tail = self._file.read()
        at = tail.rfind(b"PK\5\6")
        length = struct.unpack_from("<I", tail, at + 12)[0] if 0 <= at <= len(tail) - 22 else 0
        if length == 0xFFFFFFFF and (wide := tail.rfind(b"PK\6\6")) >= 0:
            length = struct.unpack_from("<Q", tail, wide + 40)[0]
        if length > _LONGEST_LIST:
            raise self.damage(f"would have a list of members of {length:,} bytes, more than any has")

    def _check_members(self, members: list[zipfile.ZipInfo]) -> None:
        names = [info.filename for info in members]
        if len(set(names)) != len(names):
            raise self.damage("has two members of one name")
        for info in members:
            shown = printable(info.filename)[:200]
            if not info.filename.endswith(_SUFFIX):
                raise self.damage(f"has a member {shown}, which is no .npy")
            if _leads_out(info.filename):
                raise self.damage(f"has a member {shown}, whose name leads out of the file")
            if info.flag_bits & _ENCRYPTED:
                raise self.damage(f"{shown} is encrypted")
            if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise self.damage(
                    f"{shown} is compressed by method {info.compress_type}, which NumPy does not write"
                )
        size, expanded = os.fstat(self._file.fileno()).st_size, sum(info.file_size for info in members)
        if expanded > max(_FREE, _MOST_EXPANSION * size):
            raise self.damage(f"would expand from {size:,} bytes to {expanded:,}, as no weights do")
        for first, second in itertools.pairwise(sorted(members, key=lambda info: info.header_offset)):
            if first.header_offset + 30 + len(first.filename) + first.compress_size > second.header_offset:
                raise self.damage(
                    f"{printable(first.filename)[:200]} and {printable(second.filename)[:200]} share bytes"
                )

    def _entry(self, info: zipfile.ZipInfo) -> _Stored:
        shown = printable(info.filename)[:200]
        with self._zip.open(info) as member:
            shape, fortran, dtype, begin = _header(member)
        if dtype.hasobject:
            raise self.damage(f"{shown} holds Python objects, which are never read here")
        native = dtype.newbyteorder("=")
        name = BFLOAT16.name if dtype == np.dtype("V2") else native.name if dtype.kind in "biuf" else ""
        if not name:
            raise self.damage(
                f"{shown} holds {printable(str(dtype))[:100]}, which are no numbers that are read here"
            )
        if any(axis < 0 for axis in shape) or math.prod(shape) * dtype.itemsize != info.file_size - begin:
            raise self.damage(
                f"{shown} of shape {list(shape)} and {name} has {info.file_size - begin:,} bytes"
            )
        return _Stored(name, tuple(shape), info.filename, dtype, fortran)


def _header(member: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[np.generic], int]:
    """The shape, whether the order is Fortran's, the dtype, and where the values begin.

    Raises ValueError for what is no .npy, or has a header that is longer than any.
    """
    first = member.read(12)
    version, wide = tuple(first[6:8]), first[6:7] == b"\2"
    size = int.from_bytes(first[8:12] if wide else first[8:10], "little")
    if version not in ((1, 0), (2, 0)) or size > _LONGEST_HEADER:
        raise ValueError(f"an array is of the version {version} of .npy, with a header of {size:,} bytes")
    begin = (12 if wide else 10) + size
    header = io.BytesIO(first + member.read(begin - 12))
    npy.read_magic(header)
    parse = npy.read_array_header_2_0 if wide else npy.read_array_header_1_0
    return (*parse(header, max_header_size=_LONGEST_HEADER), begin)


def _leads_out(name: str) -> bool:
    return "\\" in name or name.startswith("/") or ".." in name.split("/")
