"""Tensors of one unit in one file, which is a checkpoint's as it stands; it is read and written in parts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from zoo_common.containers.safetensors_writing import header, size_of
from zoo_common.files import explained
from zoo_common.weights import Entry, WeightSource
from zoo_spec.arrays import Array
from zoo_spec.errors import EnvironmentFault
from zoo_spec.reading import printable

ALIGNMENT = 64
"""Bytes. Tensors begin at multiples of it as far as their sizes allow, for whoever maps the file."""


@dataclass(frozen=True)
class Piece:
    """Values ``start`` to ``stop`` of a tensor in row-major order, and where they go in memory or come from."""

    name: str
    start: int
    stop: int
    values: Array


class Stored:
    """Tensors by name that lie in a file, once they were written; until then where they come from.

    Writing goes to the working file at ``path``, in place. After ``moved`` the file is a checkpoint's, which is only
    read: the next writing begins a working file anew, and what of that is not written yet is read from the old one.
    """

    def __init__(self, path: Path, entries: Mapping[str, Entry]) -> None:
        # Those whose sizes keep the next one aligned come first.
        order = sorted(entries, key=lambda name: (size_of(entries[name]) % ALIGNMENT > 0, name))
        self.entries = {name: entries[name] for name in order}
        self.path = path
        self._header = header(self.entries, alignment=ALIGNMENT)
        self._starts: dict[str, int] = {}
        end = len(self._header)
        for name, entry in self.entries.items():
            self._starts[name], end = end, end + size_of(entry)
        self.size = end
        """The file's length in bytes."""
        self._source: WeightSource | None = None
        self._file: Path | None = None
        self._sums: dict[tuple[str, int, int], int] = {}
        self._begun: dict[str, list[tuple[int, int]]] = {}
        self._new_sums: dict[tuple[str, int, int], int] = {}

    @property
    def file(self) -> Path | None:
        """The file that has all of it; None before it was written."""
        return self._file

    def take(self, source: WeightSource | None) -> None:
        """Have these values; None: zeros. A source that does not last is read, and written, at once."""
        self._source, self._file = source, None
        self._begun.clear()
        if source is not None and not source.lasts:
            self.settle()

    def settle(self) -> None:
        """Write the file, unless there is one, a tensor at a time."""
        if self._file is None:
            for name, entry in self.entries.items():
                values = np.empty(entry.shape, entry.dtype)
                self.read([self._whole(name, values)])
                self.write([self._whole(name, values)])
            if not self.entries:
                self.write([])

    def moved(self, path: Path) -> None:
        """Told that the file is a checkpoint's now, at ``path``."""
        self._file = path

    def read(self, pieces: Iterable[Piece]) -> int:
        """Fill each piece; returns the bytes that were read from files.

        Raises EnvironmentFault, naming the file, for one that is missing, shorter or longer, of another run, or
        damaged.
        """
        count = 0
        for piece in pieces:
            if self._is_begun(piece):
                count += self._read_file(self.path, piece, self._new_sums)
            elif self._file is not None:
                count += self._read_file(self._file, piece, self._sums)
            elif self._source is None:
                piece.values[...] = 0
            else:
                found = self._source.read(piece.name)
                piece.values[...] = found.reshape(-1)[piece.start : piece.stop].reshape(piece.values.shape)
                count += piece.values.nbytes
        return count

    def write(self, pieces: Iterable[Piece]) -> int:
        """Write each piece; returns the bytes. Raises EnvironmentFault where the disk is full or will not have it."""
        is_new = self._file != self.path and not self._begun
        count = 0
        with (
            explained("write", self.path, needed=self.size),
            self.path.open("wb" if is_new else "r+b", buffering=0) as file,
        ):
            if is_new:
                _write(file, memoryview(self._header))
            for piece in pieces:
                file.seek(self._at(piece))
                _write(file, _bytes_of(piece.values).data)
                count += piece.values.nbytes
                self._note(piece)
        self._become_whole()
        return count

    def _note(self, piece: Piece) -> None:
        key = (piece.name, piece.start, piece.stop)
        if self._file == self.path:
            self._sums[key] = _sum(piece.values)
        else:
            self._new_sums[key] = _sum(piece.values)
            self._begun.setdefault(piece.name, []).append((piece.start, piece.stop))

    def _become_whole(self) -> None:
        """Read the working file alone, once all of it was written."""
        written = sum(stop - start for ranges in self._begun.values() for start, stop in ranges)
        if self._file != self.path and written == sum(
            int(np.prod(entry.shape)) for entry in self.entries.values()
        ):
            self._file, self._source = self.path, None
            self._sums, self._new_sums = self._new_sums, {}
            self._begun.clear()

    def _is_begun(self, piece: Piece) -> bool:
        return any(
            start <= piece.start and piece.stop <= stop for start, stop in self._begun.get(piece.name, ())
        )

    def _read_file(self, path: Path, piece: Piece, sums: Mapping[tuple[str, int, int], int]) -> int:
        try:
            with path.open("rb", buffering=0) as file:
                size, found = file.seek(0, 2), piece.values
                if path == self._file and size != self.size:
                    raise _damage(path, f"has {size:,} bytes, and {self.size:,} were written")
                file.seek(0)
                if file.read(len(self._header)) != self._header:
                    raise _damage(path, "begins otherwise than it was written: it is of another model or run")
                file.seek(self._at(piece))
                if not _read(file, _bytes_of(found).data):
                    raise _damage(path, f"ends within {printable(piece.name)}")
        except FileNotFoundError as error:
            raise _damage(path, "is missing") from error
        except OSError as error:
            raise EnvironmentFault(
                f"{path}: cannot be read: {error.strerror or error}; check the disk"
            ) from error
        stated = sums.get((piece.name, piece.start, piece.stop))
        if stated is not None and stated != _sum(found):
            raise _damage(path, f"has other values of {printable(piece.name)} than were written")
        return found.nbytes

    def _at(self, piece: Piece) -> int:
        """The byte of the file where a piece begins."""
        return self._starts[piece.name] + piece.start * np.dtype(self.entries[piece.name].dtype).itemsize

    def _whole(self, name: str, values: Array) -> Piece:
        return Piece(name, 0, values.size, values)


def _damage(path: Path, what: str) -> EnvironmentFault:
    return EnvironmentFault(
        f"{path}: {what}; something else writes there, or the disk fails. The newest checkpoint is whole: the same "
        "command goes on from it"
    )


def _bytes_of(values: Array) -> Array:
    return values.reshape(-1).view(np.uint8)


def _sum(values: Array) -> int:
    """A number by which a damaged file is told: of 64-bit words, at the speed of memory."""
    flat = _bytes_of(values)
    words = flat[: flat.size - flat.size % 8].view(np.uint64)
    return int(np.add.reduce(words, dtype=np.uint64)) ^ hash(flat[words.size * 8 :].tobytes())


def _read(file: BinaryIO, into: memoryview) -> bool:
    """Fill memory from where the file is; whether there was enough."""
    done = 0
    while done < len(into):
        # One call reads no more than 2 GiB.
        count = file.readinto(into[done:])  # type: ignore[attr-defined]
        if not count:
            return False
        done += count
    return True


def _write(file: BinaryIO, content: memoryview) -> None:
    done = 0
    while done < len(content):
        done += file.write(content[done:])
