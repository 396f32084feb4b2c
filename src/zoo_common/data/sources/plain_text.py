"""Plain text files as documents: where each begins is held, and its text read when it is asked for."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable, Iterator
from itertools import islice

from zoo_common.data.base import Split
from zoo_common.data.files import expanded
from zoo_common.data.records import FileRecords, Look, Place, Records, read_records
from zoo_common.data.sources.python_docs import PythonDocs
from zoo_common.data.sources.rows import Lines
from zoo_common.data.sources.tables import LOOKED_AT, refuse_table
from zoo_common.data.unpacked import open_unpacked
from zoo_spec.data import TextData
from zoo_spec.data.records import RunningText
from zoo_spec.reading import UnreadableFileError, reading

_BLANK = {"prose": 2, "sentence_lines": 1}
"""Blank lines that end a document, by ``data.layout``."""
_LINE = re.compile(r"[^\r\n]*(?:\r\n|[\r\n])|[^\r\n]+")
"""A line, which \\n, \\r\\n or \\r ends and nothing else: ``str.splitlines`` breaks at form feeds, too."""
_Line = tuple[int, int, str]
"""Where a line begins, in bytes, its number, and its text."""


class TextFile:
    """The documents of one file."""

    def __init__(self, data: TextData, path: str) -> None:
        """Opens it; InputError for one that is missing, empty, too long, or a table that is not meant to be text."""
        self.path, self._data = path, data
        self._file = open_unpacked(path, data.limits)
        with reading(path):
            self.size = os.stat(path).st_size
            self._unpacked = self._file.seek(0, os.SEEK_END)
            if data.tables == "refuse":
                refuse_table("".join(islice(self._lines().unjudged(), LOOKED_AT)), path)

    def places(self) -> Iterator[Place]:
        """Where each document begins; too long a line is met here, what is no UTF-8 where it is read."""
        enough, is_empty = self._enough, True
        blank: float = enough
        lines = self._lines()
        for at, number, line in _with_places(lines, lines.unjudged()):
            if not line.strip():
                blank += 1
                continue
            if blank >= enough:
                yield at, number
                is_empty = False
            blank = 0
        if is_empty:
            raise UnreadableFileError(
                self.path, "the file has no text in it; give a file of sentences or leave it out"
            )

    def read(self, place: Place) -> RunningText:
        """One document; raises InputError if the file is another by now."""
        at, number = place
        if self._file.seek(0, os.SEEK_END) != self._unpacked:
            raise UnreadableFileError(self.path, "has changed while it was read; begin again")
        enough, blank, found = self._enough, 0, []
        lines = self._lines(at, number - 1)
        for _, _, line in _with_places(lines, lines):
            blank = 0 if line.strip() else blank + 1
            if blank >= enough:
                break
            found.append(line.rstrip("\r\n"))
        return RunningText(f"{self.path}:{number}", "\n".join(found))

    @property
    def _enough(self) -> float:
        """Blank lines that end a document."""
        return math.inf if self._data.documents == "files" else _BLANK[self._data.layout]

    def _lines(self, offset: int = 0, number: int = 0) -> Lines:
        return Lines(self._file, self.path, self._data.limits, offset=offset, number=number)


def _with_places(lines: Lines, texts: Iterable[str]) -> Iterator[_Line]:
    """The lines of a file, which ``texts`` gives, those that a lone \\r ends too."""
    for text in texts:
        at = lines.offset - len(text.encode("utf-8", "surrogateescape"))
        if "\r" not in text.removesuffix("\n").removesuffix("\r"):
            yield at, lines.number, text
            continue
        for line in _LINE.findall(text):
            yield at, lines.number, line
            at += len(line.encode("utf-8", "surrogateescape"))


@read_records.register
def _read(data: TextData, split: Split, look: Look) -> Records:
    paths = data.evaluation_files if split == "eval" and data.has_evaluation else data.files
    if paths is None:
        return PythonDocs(data.layout, look)
    return FileRecords(data, [TextFile(data, path) for path in expanded(paths)], look)
