"""Tables of labelled text as records: where each row begins is held, and its text read when it is asked for."""

from __future__ import annotations

import os
from array import array
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from zoo_common.data.base import DataDescription, Split
from zoo_common.data.records import Look, open_records
from zoo_common.data.sources.rows import Cells, Lines, Rows
from zoo_spec.data import LabelledText, TextTable
from zoo_spec.errors import InputError
from zoo_spec.random import Stream
from zoo_spec.reading import UnreadableFileError, open_file, reading

_KINDS = {dict: "an object", list: "a list", bool: "true or false", int: "a number", float: "a number"}
_NULL = "nothing (null)"


@dataclass(frozen=True)
class _File:
    """An opened file and how its rows are read; ``first`` is the number of its first row among those of all files."""

    path: str
    file: BinaryIO
    rows: Rows
    first: int
    size: int


class TableRecords:
    """The rows of a table's files, ``chosen`` of them by number, or all."""

    def __init__(self, data: TextTable, paths: Sequence[str], look: Look) -> None:
        """Reads all rows once; raises InputError for the first that is wrong."""
        self._data = data
        self._lock = Lock()
        self._files: list[_File] = []
        self._offsets, self._lines = array("q"), array("q")
        self._chosen: NDArray[np.int64] | None = None
        for path in paths:
            self._index(path, look)

    def choose(self, chosen: NDArray[np.int64]) -> None:
        """Have these rows only, in this order."""
        self._chosen = chosen

    def __len__(self) -> int:
        return len(self._offsets) if self._chosen is None else len(self._chosen)

    def __getitem__(self, index: int) -> LabelledText:
        """One row; raises InputError if its file is another by now."""
        place = index if self._chosen is None else int(self._chosen[index])
        opened = self._files[bisect_right(self._files, place, key=lambda file: file.first) - 1]
        number = self._lines[place]
        with self._lock, reading(opened.path):
            if os.fstat(opened.file.fileno()).st_size != opened.size:
                raise UnreadableFileError(opened.path, "has changed while it was read; begin again")
            lines = Lines(
                opened.file,
                opened.path,
                self._data.limits,
                offset=self._offsets[place],
                number=number - 1,
            )
            cells = next(opened.rows.of(lines), None)
        if cells is None:
            raise UnreadableFileError(
                opened.path, f"line {number} is gone: the file was changed while it was read"
            )
        return _record(self._data, cells, opened.path, number)

    def description(self) -> DataDescription:
        """The files and their sizes."""
        paths = [file.path for file in self._files]
        source = paths[0] if len(paths) == 1 else f"{len(paths)} files ({paths[0]}, …)"
        return DataDescription(source, 0, sum(file.size for file in self._files), 0)

    def _index(self, path: str, look: Look) -> None:
        limits = self._data.limits
        file = open_file(path)
        with reading(path):
            size = os.fstat(file.fileno()).st_size
            if not size:
                raise UnreadableFileError(path, "the file is empty (0 bytes)")
            if size > limits.file_bytes:
                raise UnreadableFileError(
                    path,
                    f"is {size:,} bytes long, and {limits.file_bytes:,} are the most; {limits.remedy('file_bytes')}",
                )
            lines = Lines(file, path, limits)
            rows = Rows(self._data, lines)
            opened = _File(path, file, rows, len(self._offsets), size)
            self._files.append(opened)
            at, number = lines.offset, lines.number + 1
            for cells in rows.of(lines):
                if cells is not None:
                    look(_record(self._data, cells, path, number))
                    self._offsets.append(at)
                    self._lines.append(number)
                at, number = lines.offset, lines.number + 1
        if len(self._offsets) == opened.first:
            beside = " but its header" if self._data.header and rows.format != "jsonl" else ""
            raise UnreadableFileError(path, f"has no row{beside}; give a table of labelled text")


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


@open_records.register
def _open(data: TextTable, split: Split, look: Look) -> TableRecords:
    if split == "eval" and data.evaluation_files is not None:
        return TableRecords(data, data.evaluation_files, look)
    records = TableRecords(data, data.files, look)
    if data.evaluation_files is None:
        held_out = _held_out(len(records), data)
        records.choose(np.flatnonzero(held_out if split == "eval" else ~held_out))
        if not len(records):
            raise InputError(
                f"{data.files[0]}: {len(held_out)} row(s), of which data.evaluation_fraction "
                f"{data.evaluation_fraction:g} leaves none to {'evaluate on' if split == 'eval' else 'train on'}; "
                "name data.evaluation_files, or give more rows"
            )
    return records


def _held_out(count: int, data: TextTable) -> NDArray[np.bool_]:
    """Which rows are for evaluation: one at least, unless the fraction is 0, or there is only one."""
    found = np.zeros(count, np.bool_)
    wanted = max(round(count * data.evaluation_fraction), 1) if data.evaluation_fraction and count > 1 else 0
    order = np.asarray(Stream(data.split_seed, "held_out").permutation(count), dtype=np.int64)
    found[order[: min(wanted, count - 1)]] = True
    return found
