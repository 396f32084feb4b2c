"""Tables of labelled text as records: where each row begins is held, and its text read when it is asked for."""

from __future__ import annotations

import os
from collections.abc import Iterator

from pydantic import JsonValue

from zoo_common.data.base import Split
from zoo_common.data.files import expanded
from zoo_common.data.records import FileRecords, Look, Place, read_records
from zoo_common.data.sources.rows import Cells, Lines, Rows
from zoo_common.data.sources.unpacked import open_unpacked
from zoo_spec.data import LabelledText, TextTable
from zoo_spec.errors import InputError
from zoo_spec.reading import UnreadableFileError, reading

_KINDS = {dict: "an object", list: "a list", bool: "true or false", int: "a number", float: "a number"}
_NULL = "nothing (null)"


class TableFile:
    """The rows of one file."""

    def __init__(self, data: TextTable, path: str) -> None:
        """Opens it and reads its header; errors as of ``Rows``."""
        self.path, self._data = path, data
        limits = data.limits
        self._file = open_unpacked(path, limits)
        with reading(path):
            self.size = os.stat(path).st_size
            self._length = os.fstat(self._file.fileno()).st_size
            self._lines = Lines(self._file, path, limits)
            self._rows = Rows(data, self._lines)

    def places(self) -> Iterator[Place]:
        """Where the line of each row begins."""
        lines, rows = self._lines, self._rows
        at, number, count = lines.offset, lines.number + 1, 0
        for is_blank in rows.pass_over(lines):
            if not is_blank:
                count += 1
                yield at, number
            at, number = lines.offset, lines.number + 1
        if not count:
            beside = " but its header" if self._data.header and rows.format != "jsonl" else ""
            raise UnreadableFileError(self.path, f"has no row{beside}; give a table of labelled text")

    def read(self, place: Place) -> LabelledText:
        """One row; raises InputError if the file is another by now."""
        offset, number = place
        if os.fstat(self._file.fileno()).st_size != self._length:
            raise UnreadableFileError(self.path, "has changed while it was read; begin again")
        lines = Lines(self._file, self.path, self._data.limits, offset=offset, number=number - 1)
        cells = next(self._rows.of(lines), None)
        if cells is None:
            raise UnreadableFileError(
                self.path, f"line {number} is gone: the file was changed while it was read"
            )
        return _record(self._data, cells, self.path, number)


def _record(data: TextTable, cells: Cells, path: str, number: int) -> LabelledText:
    where = f"{path}:{number}"
    *texts, label = cells
    wanted = zip(data.text, texts, strict=True)
    found = tuple(_text(column, cell, where) for column, cell in wanted)
    whole, parts = _label(data, label, where)
    return LabelledText(where, found, whole, parts)


def _text(column: str | int, cell: JsonValue, where: str) -> str:
    if not isinstance(cell, str):
        raise InputError(f"{where}: column {column!r} holds {_kind(cell)}, and a text is expected")
    if not cell.strip():
        raise InputError(f"{where}: column {column!r} is empty; fill it in, or leave the line out")
    return _unicode(column, cell, where)


def _label(data: TextTable, cell: JsonValue, where: str) -> tuple[str | None, tuple[str, ...]]:
    """The label as it stands there, None for a list, and its parts."""
    column = data.label
    if isinstance(cell, list):
        return None, tuple(_name(column, each, where) for each in cell)
    name = "" if cell is None else _name(column, cell, where)
    parts = (part.strip() for part in name.split(data.label_separator))
    return name, tuple(part for part in parts if part)


def _name(column: str | int, cell: JsonValue, where: str) -> str:
    if isinstance(cell, str):
        return _unicode(column, cell, where)
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, int | float):
        return str(cell)
    raise InputError(f"{where}: column {column!r} holds {_kind(cell)}, and a label is expected")


def _unicode(column: str | int, cell: str, where: str) -> str:
    if not cell.isascii():
        try:
            cell.encode("utf-8")
        except UnicodeEncodeError as error:
            raise InputError(
                f"{where}: column {column!r} has half a character, \\u{ord(cell[error.start]):04x}; mend the escape"
            ) from None
    return cell


def _kind(cell: JsonValue) -> str:
    return next((name for kind, name in _KINDS.items() if isinstance(cell, kind)), _NULL)


@read_records.register
def _read(data: TextTable, split: Split, look: Look) -> FileRecords:
    paths = data.evaluation_files if split == "eval" and data.evaluation_files is not None else data.files
    return FileRecords(data, [TableFile(data, path) for path in expanded(paths)], look)
