"""The rows of a table's file, from any of its lines on: tab-separated, comma-separated, or JSON lines.

One at a time, so that no more than a row is held, whatever the file's size.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import BinaryIO

from pydantic import JsonValue

from zoo_common.data.json_keys import RepeatedKeyError, once
from zoo_common.data.sources.cells import Cells, TableForm, cell_at, some_names
from zoo_spec.data.limits import TextLimits
from zoo_spec.data.table import TableFormat
from zoo_spec.reading import UnreadableFileError

_MARK = b"\xef\xbb\xbf"
"""What some editors begin a file with."""


class Lines:
    """The lines of an opened file from ``offset`` on, each with its line end; ``number`` is that of the last.

    Raises UnreadableFileError for a line that is not UTF-8, unless it is in another ``encoding``, or longer than the
    limits.
    """

    def __init__(
        self,
        file: BinaryIO,
        path: str,
        limits: TextLimits,
        *,
        offset: int = 0,
        number: int = 0,
        encoding: str = "utf-8",
    ) -> None:
        self.path, self.offset, self.number = path, offset, number
        self.limits, self._encoding = limits, encoding
        self._file = file
        file.seek(offset)

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        return self._next("strict")

    def unjudged(self) -> Iterator[str]:
        """The lines that are left, to find where each begins: bytes that are no UTF-8 are told when one is read.

        So that a record that has some can be left out alone; in what is given they are lone surrogates.
        """
        while True:
            try:
                yield self._next("surrogateescape")
            except StopIteration:
                return

    def _next(self, errors: str) -> str:
        most = self.limits.line_bytes
        data = self._file.readline(most + 1)
        if not data:
            raise StopIteration
        self.number += 1
        begin, self.offset = self.offset, self.offset + len(data)
        if len(data) > most:
            raise self.wrong(f"is longer than {most:,} bytes; {self.limits.remedy('line_bytes')}")
        if begin == 0 and data.startswith(_MARK) and self._encoding == "utf-8":
            data, begin = data.removeprefix(_MARK), len(_MARK)
        try:
            return data.decode(self._encoding, errors)
        except UnicodeDecodeError as error:
            raise UnreadableFileError(
                self.path,
                f"not UTF-8: byte 0x{data[error.start]:02x} at byte offset {begin + error.start} "
                f"(line {self.number}): {error.reason}; convert the file to UTF-8",
            ) from None

    def rewind(self) -> None:
        """Begin again at the file's beginning."""
        self.offset = self.number = 0
        self._file.seek(0)

    def wrong(self, what: str) -> UnreadableFileError:
        """What is wrong with the line that was read last."""
        return UnreadableFileError(self.path, f"line {self.number} {what}")


class Rows:
    """How the rows of one file are read; made at its beginning, where ``lines`` then stands behind the header.

    Raises UnreadableFileError, with the line, for a column that is not there or stands there twice, and for a row
    that lacks a part.
    """

    def __init__(self, form: TableForm, lines: Lines) -> None:
        self.format: TableFormat = form.format_of(lines.path)
        self._columns = form.columns
        self._more_fields = form.more_fields
        self._places: list[int] = []
        self._width = 0
        if self.format == "jsonl":
            return
        first = next((fields for fields in _FIELDS[self.format](lines) if fields), None)
        if first is None:
            raise UnreadableFileError(lines.path, "has no line with anything in it; give a table")
        self._width = len(first)
        self._places = [self._place(column, first, lines) for column in self._columns]
        if not form.header:
            lines.rewind()

    def pass_over(self, lines: Lines) -> Iterator[bool]:
        """For each row whether it is blank, without a look at its cells."""
        if self.format == "csv":
            return (not fields for fields in _comma_separated(lines, lines.unjudged()))
        return (
            not (text.strip() if self.format == "jsonl" else text.strip("\r\n")) for text in lines.unjudged()
        )

    def of(self, lines: Lines) -> Iterator[Cells | None]:
        """The wanted cells of each row; None for a blank line."""
        if self.format == "jsonl":
            return (self._of_object(text, lines) for text in lines)
        return (self._of_fields(fields, lines) for fields in _FIELDS[self.format](lines))

    def _place(self, column: str | int, first: Sequence[str], lines: Lines) -> int:
        if isinstance(column, int):
            if column >= len(first):
                raise lines.wrong(f"has {len(first)} columns, 0 to {len(first) - 1}, and no column {column}")
            return column
        places = [place for place, name in enumerate(first) if name == column]
        if not places:
            raise lines.wrong(
                f"has no column {column!r}; its columns are {some_names(first)} (data.header: false is for a file "
                "that does not name them)"
            )
        if len(places) > 1:
            raise lines.wrong(
                f"has {len(places)} columns {column!r}, numbers {' and '.join(map(str, places))}; give the number "
                "of the one that is meant"
            )
        return places[0]

    def _of_fields(self, fields: list[str], lines: Lines) -> Cells | None:
        if not fields:
            return None
        if len(fields) < self._width or (len(fields) > self._width and not self._more_fields):
            raise lines.wrong(
                f"has {len(fields)} fields, and the first line {self._width}; "
                + (
                    "a tab within a text has to go"
                    if self.format == "tsv"
                    else "quote a text with commas in it"
                )
            )
        return [fields[place] for place in self._places]

    def _of_object(self, text: str, lines: Lines) -> Cells | None:
        if not text.strip():
            return None
        try:
            found: JsonValue = json.loads(text, object_pairs_hook=once)
        except RepeatedKeyError as error:
            raise lines.wrong(str(error)) from None
        except (ValueError, RecursionError) as error:
            why = "nested too deeply" if isinstance(error, RecursionError) else str(error)
            raise lines.wrong(f"is no JSON: {why}; put one object on each line") from None
        if not isinstance(found, dict):
            raise lines.wrong("is no object of JSON, {...}; put one on each line")
        try:
            return [cell_at(found, str(column)) for column in self._columns]
        except KeyError as error:
            raise lines.wrong(
                f"has no column {error.args[0]!r}; its columns are {some_names([*found])}"
            ) from None


def _tab_separated(lines: Lines) -> Iterator[list[str]]:
    for line in lines:
        text = line.removesuffix("\n").removesuffix("\r")
        yield text.split("\t") if text else []


def _comma_separated(lines: Lines, texts: Iterable[str] | None = None) -> Iterator[list[str]]:
    # Its bound on a field is the whole process's; a line's is ours, and much of one may be one text.
    csv.field_size_limit(max(csv.field_size_limit(), lines.limits.line_bytes))
    reader = csv.reader(lines if texts is None else texts, strict=True)
    while True:
        begin = lines.number + 1
        try:
            fields = next(reader, None)
        except csv.Error as error:
            at = f"lines {begin} to {lines.number}" if lines.number > begin else f"line {lines.number}"
            raise UnreadableFileError(
                lines.path, f"{at}: {error}; quote texts as RFC 4180 has it, a quote in one as two"
            ) from None
        if fields is None:
            return
        yield fields


_FIELDS: dict[TableFormat, Callable[[Lines], Iterator[list[str]]]] = {
    "tsv": _tab_separated,
    "csv": _comma_separated,
}
