"""Token ids in HDF5 files: an array of all examples, in pieces and packed or not, or an array for each.

Layouts of the Cerebras Model Zoo: ``example_0``, … of R_1.6.0, ``data`` of R_1.7.1. The library that knows where
bytes lie runs beside (``zoo_common.containers.hdf5_file``); they are read and unpacked here.
"""

from __future__ import annotations

import math
import os
import zlib
from collections import defaultdict
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from zoo_common.containers.hdf5_file import ListedArray, Piece, listed
from zoo_common.data.base import Split
from zoo_common.data.files import existing_file, expanded
from zoo_common.data.record_files import IndexedFile
from zoo_common.data.records import FileRecords, Look, Place, read_records
from zoo_spec.data import Hdf5Data
from zoo_spec.data.records import Features
from zoo_spec.reading import UnreadableFileError, open_file

Values = NDArray[np.generic]


class Hdf5Records(IndexedFile):
    """The examples of one file; the pieces that were read last are held."""

    def __init__(self, data: Hdf5Data, path: str) -> None:
        """Raises InputError for what is no HDF5 file, or has neither layout."""
        self.path, self._data = path, data
        arrays = listed(existing_file(path)).arrays
        self._file = open_file(path)
        self.size = os.fstat(self._file.fileno()).st_size
        self._whole = arrays.get("data")
        self._each = sorted((name for name in arrays if _number(name) >= 0), key=_number)
        self._arrays = arrays
        if (self._whole is None) == (not self._each):
            raise UnreadableFileError(
                path,
                f"has the arrays {', '.join(list(arrays)[:10]) or 'none'}; examples are in one called data "
                "[examples, rows, sequence], or in example_0, example_1, …",
            )
        self._held: tuple[int, Values] | None = None
        self._pieces_from: dict[int, list[Piece]] = defaultdict(list)
        self._check()
        for piece in self._whole.pieces if self._whole is not None else ():
            self._pieces_from[piece.at[0]].append(piece)

    def places(self) -> Iterator[Place]:
        """The examples by number."""
        count = self._whole.shape[0] if self._whole is not None else len(self._each)
        for index in range(count):
            yield index, index + 1

    def read(self, place: Place) -> Features:
        """One example, a feature for each of its rows."""
        index, number = place
        rows = (
            self._row(index)
            if self._whole is not None
            else self._plain(self._arrays[self._each[index]], 0, 0)
        )
        return Features(f"{self.path}:{number}", dict(zip(self._data.rows, rows, strict=True)))

    def _check(self) -> None:
        """That shapes are those of examples, and that the bytes are there."""
        named = ", ".join(self._data.rows)
        for name in ["data"] if self._whole is not None else self._each:
            array = self._arrays[name]
            shape = array.shape[1:] if self._whole is not None else array.shape
            if len(shape) != 2 or shape[0] != len(self._data.rows):
                raise self._wrong(
                    f"/{name} has the shape {array.shape}, and an example is [rows, sequence] with the "
                    f"{len(self._data.rows)} rows {named}; set data.rows to what the rows are"
                )
            if np.dtype(array.dtype).kind not in "iuf":
                raise self._wrong(f"/{name} holds {array.dtype}, which are no numbers")
            example = math.prod(array.chunks or shape) * np.dtype(array.dtype).itemsize
            if example > self._data.limits.record_bytes:
                raise self._wrong(
                    f"/{name} has pieces of {example:,} bytes, and {self._data.limits.record_bytes:,} are the most; "
                    f"{self._data.limits.remedy('record_bytes')}"
                )
            whole = math.prod(array.shape) * np.dtype(array.dtype).itemsize
            if any(len(piece.at) != len(array.shape) for piece in array.pieces):
                raise self._wrong(f"/{name} has pieces of other axes than its own; copy the file again")
            if array.chunks is not None:
                there, wanted = (
                    len({piece.at[0] for piece in array.pieces}),
                    -(-array.shape[0] // array.chunks[0]),
                )
                if there < wanted:
                    raise self._wrong(
                        f"/{name} has values in {there:,} of {wanted:,} pieces: it was not written to its end; write "
                        "it again"
                    )
            ends = [piece.start + piece.size for piece in array.pieces]
            end = max(ends, default=0) if array.chunks is not None else array.offset + whole
            if end > self.size:
                raise self._wrong(f"/{name} would end at byte {end:,} of {self.size:,}; copy the file again")

    def _row(self, index: int) -> Values:
        array = self._whole
        assert array is not None
        if array.chunks is None:
            shape = array.shape[1:]
            return self._plain(array, index * math.prod(shape), 1)
        first = index - index % array.chunks[0]
        if self._held is None or self._held[0] != first:
            self._held = (first, self._pieces(array, first))
        return np.asarray(self._held[1][index - first])

    def _plain(self, array: ListedArray, skipped: int, drop: int) -> Values:
        shape, dtype = array.shape[drop:], np.dtype(array.dtype)
        return self._numbers(
            self._bytes(array.offset + skipped * dtype.itemsize, math.prod(shape) * dtype.itemsize), dtype
        ).reshape(shape)

    def _pieces(self, array: ListedArray, first: int) -> Values:
        """All pieces that begin at the example ``first``, ``[examples, rows, sequence]``; what has none is 0."""
        assert array.chunks is not None
        dtype, (count, *shape) = np.dtype(array.dtype), array.shape
        found = np.zeros((min(array.chunks[0], count - first), *shape), dtype.newbyteorder("="))
        for piece in self._pieces_from.get(first, ()):
            values = self._numbers(self._unpacked(array, piece), dtype).reshape(array.chunks)
            place = tuple(
                slice(at, at + size) for at, size in zip([0, *piece.at[1:]], array.chunks, strict=True)
            )
            target = found[place]
            target[...] = values[tuple(map(slice, target.shape))]
        return found

    def _unpacked(self, array: ListedArray, piece: Piece) -> bytes:
        assert array.chunks is not None
        data, size = self._bytes(piece.start, piece.size), np.dtype(array.dtype).itemsize
        whole = math.prod(array.chunks) * size
        for bit, name in reversed(list(enumerate(array.filters))):
            if piece.spared >> bit & 1:
                continue
            if name == "gzip":
                data = self._inflated(data, whole)
            elif (
                len(data) % size == 0
            ):  # HDF5 keeps the first byte of every number together, then the second, …
                data = np.frombuffer(data, np.uint8).reshape(size, -1).T.tobytes()
        if len(data) != whole:
            raise self._wrong(
                f"has a piece of {len(data):,} bytes where {whole:,} belong; copy the file again"
            )
        return data

    def _inflated(self, data: bytes, most: int) -> bytes:
        unpacking = zlib.decompressobj()
        try:
            return unpacking.decompress(data, most + 1)
        except zlib.error as error:
            raise self._wrong(f"has a piece that gzip cannot unpack: {error}; copy the file again") from None

    def _bytes(self, start: int, size: int) -> bytes:
        self._file.seek(start)
        data = self._file.read(size)
        if len(data) < size:
            raise self._wrong("is cut short; it has changed while it was read")
        return data

    def _numbers(self, data: bytes, dtype: np.dtype[np.generic]) -> Values:
        return np.frombuffer(data, dtype).astype(dtype.newbyteorder("="))

    def _wrong(self, what: str) -> UnreadableFileError:
        return UnreadableFileError(self.path, what)


def _number(name: str) -> int:
    """Of an array called ``example_7``; -1 for another."""
    digits = name.removeprefix("example_")
    return (
        int(digits) if digits != name and digits.isascii() and digits.isdigit() and len(digits) < 19 else -1
    )


@read_records.register
def _read(data: Hdf5Data, split: Split, look: Look) -> FileRecords:
    records = [Hdf5Records(data, path) for path in expanded(data.files_of(split))]
    return FileRecords(data, records, look, libraries=("h5py", "numpy"))
