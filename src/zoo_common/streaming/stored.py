"""Tensors of one unit in one file, which is a checkpoint's as it stands; it is read and written in parts."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import FileIO
from math import prod
from pathlib import Path
from threading import Lock

import numpy as np

from zoo_common.backend import NotFiniteError
from zoo_common.containers.safetensors_writing import header, size_of
from zoo_common.files import explained
from zoo_common.weights import Entry, WeightSource
from zoo_spec.arrays import Array
from zoo_spec.errors import EnvironmentFault
from zoo_spec.reading import printable

ALIGNMENT = 64
"""Bytes. Tensors begin at multiples of it as far as their sizes allow, for whoever maps the file."""
_AT_ONCE = 1 << 20
"""Values."""
_TOGETHER = 1 << 20
"""Bytes. What is read together is near while its sums are taken."""
_SEVERAL = 256
"""Pieces. One call takes no more than 1,024 (IOV_MAX)."""
_WORD = 8
_MODULUS = 1 << 64


@dataclass(frozen=True)
class Piece:
    """Values ``start`` to ``stop`` of a tensor in row-major order, and where they go in memory or come from.

    Where it is not the whole tensor, both are multiples of 8 or the tensor's end.
    """

    name: str
    start: int
    stop: int
    values: Array


class Stored:
    """Tensors by name that lie in a file, once they were written; until then where they come from.

    Writing goes to the working file at ``path``, in place. After ``moved`` the file is a checkpoint's, which is only
    read: the next writing begins a working file anew, and what of that is not written yet is read from the old one.
    What was written is summed up in memory, and each reading of the same held against it.
    """

    def __init__(self, path: Path, entries: Mapping[str, Entry]) -> None:
        # Those whose sizes keep the next one aligned come first.
        order = sorted(entries, key=lambda name: (size_of(entries[name]) % ALIGNMENT > 0, name))
        self.entries: Mapping[str, Entry] = {name: entries[name] for name in order}
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
        self._sums = _Sums(self.entries)
        self._begun: _Sums | None = None
        self._one_at_a_time = Lock()

    def take(self, source: WeightSource | None) -> None:
        """Have these values; None: zeros. A source that does not last is read, and written, at once."""
        self._source, self._file, self._begun = source, None, None
        if source is not None and not source.lasts:
            self.settle()

    def settle(self) -> int:
        """Write the file, a tensor at a time, unless there is one; returns the bytes that are written."""
        count = 0
        if self._file is None:
            for name, entry in self.entries.items():
                values = np.empty(entry.shape, entry.dtype)
                piece = Piece(name, 0, values.size, values)
                self.read([piece])
                count += self.write([piece])
        return count

    def place(self) -> tuple[Path, bool]:
        """Where the file is, and whether it may be moved; else it is a checkpoint's already, and may be linked to."""
        assert self._file is not None, "settle it first"
        return self._file, self._file == self.path

    def content(self) -> Iterator[bytes | memoryview]:
        """The file's bytes, read to the end and found to be what was written.

        Raises EnvironmentFault where they are not, NotFiniteError where a tensor holds NaN or infinity.
        """
        yield self._header
        path, _ = self.place()
        for name, entry in self.entries.items():
            size, total = prod(entry.shape), 0
            for start in range(0, size, _AT_ONCE):
                values = np.empty(min(_AT_ONCE, size - start), entry.dtype)
                self.read([Piece(name, start, start + values.size, values)])
                if not (np.isfinite(values.min()) and np.isfinite(values.max())):
                    raise NotFiniteError(printable(name))
                total += _sum(values)
                yield _bytes_of(values).data
            if total % _MODULUS != self._sums.of_all(name):
                raise _other_values(path, name)

    def moved(self, path: Path) -> None:
        """Told that the file is a checkpoint's now, at ``path``."""
        self._file = path

    def read(self, pieces: Iterable[Piece]) -> int:
        """Fill each piece; returns the bytes that were read from files.

        Raises EnvironmentFault, naming the file, for one that is missing, shorter or longer, of another run, or
        damaged.
        """
        count = 0
        with self._one_at_a_time:
            of_files: dict[tuple[Path, _Sums], list[Piece]] = {}
            for piece in pieces:
                is_begun = self._begun is not None and self._begun.covers(piece)
                path, sums = (self.path, self._begun) if is_begun else (self._file, self._sums)
                if path is not None and sums is not None:
                    of_files.setdefault((path, sums), []).append(piece)
                    count += piece.values.nbytes
                elif self._source is None:
                    piece.values[...] = 0
                else:
                    found = self._source.read(piece.name).reshape(-1)[piece.start : piece.stop]
                    piece.values[...] = found.reshape(piece.values.shape)
                    count += piece.values.nbytes
            for (path, sums), own in of_files.items():
                self._fill(path, own, sums, is_whole=sums is self._sums)
        return count

    def write(self, pieces: Iterable[Piece]) -> int:
        """Write each piece; returns the bytes. Raises EnvironmentFault where the disk is full or will not have it."""
        count = 0
        with self._one_at_a_time, explained("write", self.path, needed=self.size):
            is_new = self._file != self.path and self._begun is None
            if is_new:
                self._begun = _Sums(self.entries)
            sums = self._begun or self._sums
            with _opened(self.path, os.O_RDWR | (os.O_CREAT | os.O_TRUNC if is_new else 0)) as file:
                if is_new:
                    _write(file, [memoryview(self._header)], 0)
                for beside in self._adjacent(pieces):
                    _write(file, [_bytes_of(piece.values).data for piece in beside], self._at(beside[0]))
                    for piece in beside:
                        count += piece.values.nbytes
                        sums.note(piece)
            if self._begun is not None and self._begun.is_whole():
                self._file, self._source, self._sums, self._begun = self.path, None, self._begun, None
        return count

    def _fill(self, path: Path, pieces: Sequence[Piece], sums: _Sums, *, is_whole: bool) -> None:
        """Fill the pieces from a file of ours, of which all is there if it ``is_whole``."""
        try:
            with _opened(path, os.O_RDONLY) as file:
                self._look_at(path, file, is_whole=is_whole)
                for beside in self._adjacent(pieces):
                    there = _read(
                        file, [_bytes_of(piece.values).data for piece in beside], self._at(beside[0])
                    )
                    for piece in beside:
                        there -= piece.values.nbytes
                        if there < 0:
                            raise _damage(path, f"ends within {printable(piece.name)}")
                        if not sums.agree(piece):
                            raise _other_values(path, piece.name)
        except FileNotFoundError as error:
            raise _damage(path, "is missing") from error
        except OSError as error:
            raise _damage(path, f"cannot be read: {error.strerror or error}") from error

    def _look_at(self, path: Path, file: int, *, is_whole: bool) -> None:
        """Raise EnvironmentFault unless an open file is of ours, by its length and its beginning."""
        size = os.fstat(file).st_size
        if is_whole and size != self.size:
            raise _damage(path, f"has {size:,} bytes, and {self.size:,} were written")
        found = bytearray(len(self._header))
        _read(file, [memoryview(found)], 0)
        if found != self._header:
            raise _damage(path, "begins otherwise than it was written: it is of another model or run")

    def _adjacent(self, pieces: Iterable[Piece]) -> Iterator[list[Piece]]:
        """Pieces that lie one behind the other in the file, a few megabytes at a time, or a single one."""
        found: list[Piece] = []
        size = end = 0
        for piece in pieces:
            start, more = self._at(piece), piece.values.nbytes
            if found and (start != end or size + more > _TOGETHER or len(found) == _SEVERAL):
                yield found
                found, size = [], 0
            found.append(piece)
            size, end = size + more, start + more
        if found:
            yield found

    def _at(self, piece: Piece) -> int:
        """The byte of the file where a piece begins."""
        return self._starts[piece.name] + piece.start * np.dtype(self.entries[piece.name].dtype).itemsize


class _Sums:
    """What was written of some tensors: a sum for each range of values."""

    def __init__(self, entries: Mapping[str, Entry]) -> None:
        self._sizes = {name: prod(entry.shape) for name, entry in entries.items()}
        self._of: dict[str, dict[tuple[int, int], int]] = {name: {} for name in entries}

    def note(self, piece: Piece) -> None:
        self._of[piece.name][piece.start, piece.stop] = _sum(piece.values)

    def agree(self, piece: Piece) -> bool:
        """Whether a piece that was read is what was written, as far as that is known."""
        stated = self._of[piece.name].get((piece.start, piece.stop))
        return stated is None or stated == _sum(piece.values)

    def covers(self, piece: Piece) -> bool:
        """Whether the whole piece was written."""
        return any(start <= piece.start and piece.stop <= stop for start, stop in self._of[piece.name])

    def is_whole(self) -> bool:
        """Whether every value of every tensor was written."""
        return all(
            sum(stop - start for start, stop in self._of[name]) == size for name, size in self._sizes.items()
        )

    def of_all(self, name: str) -> int:
        """The sum of a whole tensor."""
        return sum(self._of[name].values()) % _MODULUS


def _damage(path: Path, what: str) -> EnvironmentFault:
    return EnvironmentFault(
        f"{path}: {what}; something else writes there, or the disk fails. What was saved is whole, and the same "
        "command goes on from there"
    )


def _other_values(path: Path, name: str) -> EnvironmentFault:
    return _damage(path, f"has other values of {printable(name)} than were written")


def _bytes_of(values: Array) -> Array:
    return values.reshape(-1).view(np.uint8)


def _sum(values: Array) -> int:
    """A number by which a damaged file is told: the sum of its 64-bit words, at the speed of memory."""
    flat = values.reshape(-1)
    if not flat.nbytes % _WORD:
        return int(np.add.reduce(flat.view(np.uint64)))
    flat = flat.view(np.uint8)
    end = flat.size - flat.size % _WORD
    words = int(np.add.reduce(flat[:end].view(np.uint64), dtype=np.uint64))
    return (words + int.from_bytes(flat[end:].tobytes(), "little")) % _MODULUS


@contextmanager
def _opened(path: Path, flags: int) -> Iterator[int]:
    """A file's descriptor. Each call of the system lets the computing thread run first; a file object makes five."""
    file = os.open(path, flags | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0), 0o666)
    try:
        yield file
    finally:
        os.close(file)


def _read(file: int, into: list[memoryview], at: int) -> int:
    """Fill memory with what begins at a byte of a file; returns the bytes that there were."""
    done = 0
    while into:
        # One call reads no more than 2 GiB.
        if _SEVERAL_AT_ONCE:
            count = os.preadv(file, into, at + done)
        else:
            os.lseek(file, at + done, os.SEEK_SET)
            count = FileIO(file, closefd=False).readinto(into[0]) or 0
        if not count:
            break
        done += count
        into = _behind(into, count)
    return done


def _write(file: int, content: list[memoryview], at: int) -> None:
    while content:
        if _SEVERAL_AT_ONCE:
            count = os.pwritev(file, content, at)
        else:
            os.lseek(file, at, os.SEEK_SET)
            count = os.write(file, content[0])
        at += count
        content = _behind(content, count)


def _behind(parts: list[memoryview], count: int) -> list[memoryview]:
    """What is left of memory behind so many bytes."""
    for index, part in enumerate(parts):
        if count < len(part):
            return [part[count:], *parts[index + 1 :]]
        count -= len(part)
    return []


_SEVERAL_AT_ONCE = hasattr(os, "preadv") and hasattr(os, "pwritev")
"""Whether one call of the system moves several pieces; Windows has none that does."""
