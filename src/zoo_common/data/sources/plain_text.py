"""Plain text files as documents, and as bytes that are cut where no sentence is."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from itertools import islice

from zoo_common.data.base import DataDescription, Split
from zoo_common.data.files import existing_file, expanded
from zoo_common.data.records import FileRecords, Look, Place, Records, read_records
from zoo_common.data.running_source import (
    AT_ONCE,
    BLANK,
    Bytes,
    RecordText,
    TextSource,
    UnclearTextError,
    running_source,
)
from zoo_common.data.sources.python_docs import PythonDocs
from zoo_common.data.sources.rows import Lines
from zoo_common.data.sources.tables import LOOKED_AT, refuse_table
from zoo_common.data.unpacked import open_unpacked
from zoo_spec.data import TextData
from zoo_spec.data.records import RunningText
from zoo_spec.reading import UnreadableFileError, reading

_MARK = b"\xef\xbb\xbf"
_LINE = re.compile(r"[^\r\n]*(?:\r\n|[\r\n])|[^\r\n]+")
"""A line, which \\n, \\r\\n or \\r ends and nothing else: ``str.splitlines`` breaks at form feeds, too."""
_SURE_END = re.compile(rb"[ \n](?!approx\.)[a-z]{4,}[.!?]\s+(?=[A-Z])")
"""The end of a sentence, whatever stands before and after."""
_LOOKED_THROUGH = 1 << 16
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

    def parts(self) -> Iterator[bytes]:
        """All of it, in parts that cut no sentence, without a mark at its beginning; its line ends are ``\\n``.

        UnclearTextError for a line that is too long, or where there is no text.
        """
        most, layout = self._data.limits.line_bytes, self._data.layout
        line, held, is_empty = 0, b"", True
        self._file.seek(0)
        with reading(self.path):
            while block := self._block():
                held += block
                if place := cut_place(held, layout):
                    part, held = held[:place], held[place:]
                    line = _require_lines(part, line, most)
                    is_empty = is_empty and not part.strip()
                    yield part
        _require_lines(held, line, most)
        if is_empty and not held.strip():
            raise UnclearTextError("no text")
        if held:
            yield held

    def close(self) -> None:
        """Let the file go."""
        self._file.close()

    def _block(self) -> bytes:
        begins = self._file.tell() == 0
        block = self._file.read(AT_ONCE)
        while block.endswith(b"\r") and (more := self._file.read(1)):
            block += more
        if begins:
            block = block.removeprefix(_MARK)
        return block.replace(b"\r\n", b"\n").replace(b"\r", b"\n") if b"\r" in block else block

    @property
    def _enough(self) -> float:
        """Blank lines that end a document."""
        return math.inf if self._data.documents == "files" else BLANK[self._data.layout]

    def _lines(self, offset: int = 0, number: int = 0) -> Lines:
        return Lines(self._file, self.path, self._data.limits, offset=offset, number=number)


def _require_lines(part: bytes, line: int, most: int) -> int:
    """Raise UnclearTextError for a line that is too long; ``line`` bytes of the first stand before the part.

    How much there is of its last.
    """
    lines = part.split(b"\n")
    if max(line + len(lines[0]), *map(len, lines)) >= most:  # With its end.
        raise UnclearTextError("a line is too long")
    return len(lines[-1]) + (line if len(lines) == 1 else 0)


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


@running_source.register
def _text(data: TextData, split: Split) -> TextSource:
    paths = data.evaluation_files if split == "eval" and data.has_evaluation else data.files
    return RecordText(data, split) if paths is None else PlainText(data, expanded(paths))


class PlainText:
    """The text of files, a piece at a time."""

    def __init__(self, data: TextData, paths: Sequence[str]) -> None:
        self._data, self._paths = data, paths
        self._sizes = [existing_file(path).stat().st_size for path in paths]

    @property
    def size(self) -> int:
        """Bytes on the disk."""
        return sum(self._sizes)

    def pieces(self) -> Iterator[Bytes]:
        """Each file's; UnclearTextError for one with a line that is too long, or without any text."""
        data = self._data
        blank = math.inf if data.documents == "files" else BLANK[data.layout]
        for path in self._paths:
            with closing(TextFile(data, path)) as file:
                begins = True
                for part in file.parts():
                    yield Bytes(part, data.layout, blank, begins)
                    begins = False

    def description(self) -> DataDescription:
        """The files and their sizes."""
        first = self._paths[0]
        source = first if len(self._paths) == 1 else f"{len(self._paths)} files ({first}, …)"
        return DataDescription(source, 0, self.size, 0)


def cut_place(text: bytes, layout: str) -> int:
    """Where text of whole lines may be cut in two without cutting a sentence; 0 where that is not to be seen."""
    if layout == "sentence_lines":
        return text.rfind(b"\n") + 1
    paragraph = text.rfind(b"\n\n")
    if paragraph > 0:
        return paragraph + 1
    begin = max(len(text) - _LOOKED_THROUGH, 0)
    ends = [found.end() for found in _SURE_END.finditer(text, begin)]
    return ends[-1] if ends else 0
