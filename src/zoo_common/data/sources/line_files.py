"""A file of text that is read in blocks of lines: a sentence of words, a document and its mentions."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from zoo_common.data.sources.rows import Lines
from zoo_common.data.unpacked import open_unpacked
from zoo_spec.data.limits import TextLimits
from zoo_spec.reading import UnreadableFileError, reading


class NumberedLine(NamedTuple):
    """A line without its end, where it begins, and its number from 1."""

    text: str
    at: int
    number: int


Block = list[NumberedLine]
"""Lines that follow each other; none is blank."""


class BlockFile:
    """An opened file, packed or not, whose blocks of lines stand between blank lines."""

    def __init__(self, path: str, limits: TextLimits, *, encoding: str = "utf-8") -> None:
        """Opens it; raises InputError for a file that is missing, empty or too long."""
        self.path, self.limits, self._encoding = path, limits, encoding
        self._file = open_unpacked(path, limits)
        with reading(path):
            self.size = os.stat(path).st_size
            self._length = os.fstat(self._file.fileno()).st_size

    def blocks(self) -> Iterator[Block]:
        """All blocks; a line in another encoding is told by ``block``. UnreadableFileError for one too long."""
        lines = self._lines(0, 0)
        yield from self._blocks(lines, lines.unjudged())

    def block(self, at: int, number: int) -> Block:
        """The block that begins there; raises UnreadableFileError if the file is another by now."""
        if os.fstat(self._file.fileno()).st_size != self._length:
            raise UnreadableFileError(self.path, "has changed while it was read; begin again")
        lines = self._lines(at, number - 1)
        found = next(self._blocks(lines, lines), None)
        if found is None or found[0].at != at:
            raise UnreadableFileError(
                self.path, f"line {number} is gone: the file was changed while it was read"
            )
        return found

    def _lines(self, at: int, number: int) -> Lines:
        return Lines(self._file, self.path, self.limits, offset=at, number=number, encoding=self._encoding)

    def _blocks(self, lines: Lines, texts: Iterable[str]) -> Iterator[Block]:
        most, block = self.limits.line_bytes, list[NumberedLine]()
        at = lines.offset
        for line in texts:
            text = line.rstrip("\r\n")
            if text.strip(" \t"):
                block.append(NumberedLine(text, at, lines.number))
            elif block:
                yield block
                block = []
            at = lines.offset
            if block and at - block[0].at > most:
                raise lines.wrong(
                    f"goes on with what begins in line {block[0].number}, {most:,} bytes without a blank line, which "
                    "are the most; put a blank line between sentences, or documents; "
                    + self.limits.remedy("line_bytes")
                )
        if block:
            yield block
