"""The arrays of an HDF5 file, and nothing else that such a file can hold or lead to.

HDF5 has links into other files, arrays that are made of other files' parts, filters that are loaded as programs, and
sizes that nothing backs. Keras writes none of these, so each is refused; what is left is plain arrays in this file,
whose bytes are read here. The library that knows where they lie runs beside, for it crashes over damaged files.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from pydantic import BaseModel, NonNegativeInt, PositiveInt, ValidationError

from zoo_common.containers.base import BFLOAT16, native
from zoo_common.containers.few_open import closed_if_it_fails
from zoo_common.weights import Entry
from zoo_spec.arrays import Array
from zoo_spec.reading import UnreadableFileError, open_file, printable, reading

SIGNATURE = b"\x89HDF\r\n\x1a\n"
_SCRIPT = Path(__file__).with_name("hdf5_listing.py")
_READER = "HDF5's library"
_SECONDS = 300
_MOST_AXES = 32
_DTYPES = {
    "float64", "float32", "float16", "bool", "int64", "int32", "int16", "int8", "uint64", "uint32", "uint16", "uint8",
}  # fmt: skip


@dataclass(frozen=True)
class _Plain(Entry):
    """An array that lies in the file as it is: from where, and how it is written."""

    start: int
    written: np.dtype[np.generic]


class Piece(NamedTuple):
    """A part of an array: where it begins in it, where its bytes lie, and which filters it was spared, by bit."""

    at: list[NonNegativeInt]
    start: NonNegativeInt
    size: NonNegativeInt
    spared: NonNegativeInt


class ListedArray(BaseModel):
    """An array as the library lists it; one in pieces has their shape, ``chunks``."""

    dtype: str
    shape: list[NonNegativeInt]
    offset: NonNegativeInt
    chunks: list[PositiveInt] | None = None
    filters: list[Literal["gzip", "shuffle"]] = []
    pieces: list[Piece] = []


class Listing(BaseModel):
    """What is in a file; nothing of it is to be trusted before it was held against the file's size."""

    error: str = ""
    arrays: dict[str, ListedArray] = {}
    groups: list[str] = []
    texts: dict[str, dict[str, list[str]]] = {}


class Hdf5File:
    """One file, held open: its ``groups``, and its ``arrays`` by path, in natural order (2 before 10).

    Raises InputError, naming the file, for what is damaged or more than arrays in groups.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        listing = listed(path)
        self.groups = set(listing.groups)
        self._texts = listing.texts
        self._file = open_file(path)
        with closed_if_it_fails(self._file):
            size = os.fstat(self._file.fileno()).st_size
            self._arrays = {name: self._plain(name, array, size) for name, array in listing.arrays.items()}
            self._check_spans()
        self.arrays: Mapping[str, Entry] = {
            name: self._arrays[name] for name in sorted(self._arrays, key=natural)
        }

    def read(self, path: str) -> Array:
        """One array, in memory of its own, in the machine's byte order."""
        entry = self._arrays[path]
        with reading(self.path):
            array = np.empty(entry.shape, entry.written)
            if array.size:
                self._file.seek(entry.start)
                count = self._file.readinto(array.reshape(-1).view(np.uint8).data)  # type: ignore[attr-defined]
                if count != array.nbytes:
                    raise self.refuse(f"ends within /{printable(path)}")
        if entry.dtype == BFLOAT16.name:
            return array.view(BFLOAT16)
        return native(array)

    def texts(self, path: str, attribute: str) -> list[str] | None:
        """The text or texts of an attribute of the group or array at ``path``; None where it has none."""
        return self._texts.get(path, {}).get(attribute)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def refuse(self, reason: str) -> UnreadableFileError:
        """The error that says so of this file."""
        return UnreadableFileError(self.path, reason)

    def _plain(self, path: str, array: ListedArray, size: int) -> _Plain:
        shown = f"/{printable(path)[:200]}"
        if array.chunks is not None:
            raise self.refuse(
                f"{shown} is compressed or in pieces, which Keras does not do; store it in one (h5repack -l CONTI)"
            )
        written = np.dtype(array.dtype)
        name = written.newbyteorder("=").name
        # So Keras writes it, and says what it is in an attribute.
        if written == np.dtype("V2") and self.texts(path, "dtype") == [BFLOAT16.name]:
            name = BFLOAT16.name
        if name not in _DTYPES | {BFLOAT16.name}:
            raise self.refuse(f"{shown} holds {written}, which are no numbers that are read here")
        end = array.offset + math.prod(array.shape) * written.itemsize
        if end > size or len(array.shape) > _MOST_AXES:
            raise self.refuse(f"{shown} of shape {array.shape} would end at byte {end:,} of {size:,}")
        return _Plain(name, tuple(array.shape), array.offset, written)

    def _check_spans(self) -> None:
        reached, before = 0, ""
        for path, entry in sorted(self._arrays.items(), key=lambda item: item[1].start):
            length = math.prod(entry.shape) * entry.written.itemsize
            if length and entry.start < reached:
                raise self.refuse(
                    f"/{printable(before)[:200]} and /{printable(path)[:200]} are the same bytes"
                )
            reached, before = max(reached, entry.start + length), path


def natural(path: str) -> list[tuple[str, int, str]]:
    """To sort by: ``a_10`` after ``a_9``, and ``a`` before ``a_1``."""
    parts = []
    for part in path.split("/"):
        stem = part.rstrip("0123456789")
        digits = part[len(stem) :]
        parts.append((stem.removesuffix("_") if digits else stem, int(digits[:18] or -1), part))
    return parts


def is_hdf5(path: Path) -> bool:
    """Whether a file begins as this format does."""
    if not path.is_file():
        return False
    with open_file(path) as file, reading(path):
        return file.read(len(SIGNATURE)) == SIGNATURE


def root_texts(path: Path) -> Mapping[str, list[str]]:
    """The attributes of the file itself that hold texts; nothing where it is no HDF5 file, or a damaged one."""
    if not is_hdf5(path):
        return {}
    try:
        return listed(path).texts.get("", {})
    except UnreadableFileError:  # Whoever opens it says so.
        return {}


def listed(path: Path) -> Listing:
    """What is in a file, by a process of its own; InputError, naming it, where the library fails over it."""
    with reading(path):
        found = path.stat()
    return _listing(path, (found.st_ino, found.st_size, found.st_mtime_ns))


@lru_cache(maxsize=4)
def _listing(path: Path, version: tuple[int, int, int]) -> Listing:
    script = [sys.executable, "-P", os.fspath(_SCRIPT), os.fspath(path)]
    try:
        done = subprocess.run(script, capture_output=True, timeout=_SECONDS, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        raise UnreadableFileError(
            path, f"keeps {_READER} busy without an end; it is damaged, or made to"
        ) from None
    if done.returncode:
        last = done.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
        why = f" ({printable(last)[:200]})" if last else ""
        raise UnreadableFileError(path, f"makes {_READER} fail{why}; it is damaged, or made to")
    try:
        listing = Listing.model_validate(json.loads(done.stdout))
    except (ValueError, ValidationError) as error:
        raise UnreadableFileError(path, f"gives no list of arrays; {_READER} fails over it") from error
    if listing.error:
        raise UnreadableFileError(path, f"cannot be read by {_READER}: {printable(listing.error)}")
    return listing
