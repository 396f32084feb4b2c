"""A part of an open file, beyond which nobody reads, whatever lengths the file states."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Literal, NoReturn

import numpy as np

from zoo_spec.arrays import Array
from zoo_spec.reading import Name, UnreadableFileError

_MOST_LETTERS = 65_536
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes of a file that are left where they are.

    ``coding`` is what they mean: themselves, or, as pickles of protocol 2 have bytes, letters of UTF-8 each of which
    stands for one byte (Latin-1).
    """

    start: int
    end: int
    coding: Literal["bytes", "text"]

    @property
    def length(self) -> int:
        """How many bytes they take in the file."""
        return self.end - self.start


class Window:
    """Reads ``file`` from ``start`` up to ``end``; errors name ``path``."""

    def __init__(self, file: BinaryIO, path: Name, start: int, end: int) -> None:
        self.file, self.path, self.position, self.end = file, path, start, end
        file.seek(start)

    @property
    def left(self) -> int:
        """How many bytes there are yet."""
        return self.end - self.position

    def read(self, size: int) -> bytes:
        """So many bytes; UnreadableFileError where there are fewer."""
        if not 0 <= size <= self.left:
            self.refuse("it ends too early, as a file does that was cut short")
        data = self.file.read(size)
        if len(data) < size:
            self.refuse("it became shorter while it was read")
        self.position += size
        return data

    def readline(self) -> bytes:
        """Up to the end of the line; UnreadableFileError where it is longer than any name or number."""
        line = self.file.readline(min(_MOST_LETTERS, self.left))
        if not line.endswith(b"\n"):
            self.refuse("it has a line without an end")
        self.position += len(line)
        return line

    def skip(self, size: int) -> int:
        """Pass over so many bytes, and say where they began."""
        if not 0 <= size <= self.left:
            self.refuse("it ends too early, as a file does that was cut short")
        start = self.position
        self.position += size
        self.file.seek(self.position)
        return start

    def refuse(self, reason: str) -> NoReturn:
        """Raise the UnreadableFileError that says so of this file."""
        raise UnreadableFileError(self.path, reason)


def read_array(file: BinaryIO, path: Name, start: int, dtype: np.dtype[np.generic], count: int) -> Array:
    """``count`` values from ``start`` on, with no copy beside them; UnreadableFileError where the file is shorter."""
    array = np.empty(count, dtype)
    file.seek(start)
    if file.readinto(array.view(np.uint8)) < array.nbytes:  # type: ignore[attr-defined]
        raise UnreadableFileError(path, "it became shorter while it was read")
    return array


def read_span(file: BinaryIO, path: Name, span: Span, dtype: np.dtype[np.generic], count: int) -> Array:
    """``count`` values of the bytes that a span stands for; UnreadableFileError where they are not as many."""
    if span.coding == "bytes":
        return read_array(file, path, span.start, dtype, count)
    array = np.empty(count, dtype)
    octets, filled = array.view(np.uint8), 0
    for block in _latin(file, path, span):
        if filled + len(block) > len(octets):
            break
        octets[filled : filled + len(block)] = np.frombuffer(block, np.uint8)
        filled += len(block)
    else:
        if filled == len(octets):
            return array
    raise UnreadableFileError(path, f"an array of {array.nbytes:,} bytes holds another number of them")


def _latin(file: BinaryIO, path: Name, span: Span) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder("utf-8")()
    file.seek(span.start)
    try:
        for done in range(0, span.length, _BLOCK):
            size = min(_BLOCK, span.length - done)
            yield decoder.decode(file.read(size), final=done + size == span.length).encode("latin-1")
    except UnicodeError:
        raise UnreadableFileError(
            path, "an array's bytes are no text of Latin letters; damaged, as it seems"
        ) from None
