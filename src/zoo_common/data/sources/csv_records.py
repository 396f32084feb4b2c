"""Examples in CSV files, a list of numbers in each cell, as the Cerebras Model Zoo's torch models read them.

A cell is a literal of Python; here it is read as one of JSON, which lists of numbers are too, and never evaluated.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from zoo_common.data.base import Split
from zoo_common.data.files import expanded
from zoo_common.data.record_files import IndexedFile
from zoo_common.data.records import FileRecords, Look, Place, read_records
from zoo_common.data.unpacked import open_unpacked
from zoo_spec.data import CsvRecordData
from zoo_spec.data.limits import RecordLimits
from zoo_spec.data.records import Features
from zoo_spec.reading import UnreadableFileError, open_file, reading
from zoo_spec.values import shorten

META = "meta.dat"


class CsvRecordFile(IndexedFile):
    """One file, a row a line; ``rows`` is how many it must have, None where nobody said."""

    def __init__(self, path: str, limits: RecordLimits, rows: int | None = None) -> None:
        """Opens it and reads its header."""
        self.path, self._limits, self._rows = path, limits, rows
        self._file: BinaryIO = open_unpacked(path, limits)
        self.size = os.stat(path).st_size
        header = self._line(1)
        self._names = self._cells(header, 1) if header else []
        if not self._names or "" in self._names or len(set(self._names)) < len(self._names):
            raise self._wrong(1, f"is no header: {shorten(header)}; it names each column once")

    def places(self) -> Iterator[Place]:
        """Where the line of each row begins."""
        self._file.seek(0)
        self._line(1)
        at, number, count = self._file.tell(), 2, 0
        while line := self._bytes(number):
            if line.strip():
                count += 1
                yield at, number
            at, number = self._file.tell(), number + 1
        if self._rows is not None and count != self._rows:
            raise UnreadableFileError(
                self.path,
                f"has {count:,} rows beside its header, and {META} says {self._rows:,}; make both anew",
            )

    def read(self, place: Place) -> Features:
        """One row, a feature for each cell."""
        at, number = place
        self._file.seek(at)
        cells = self._cells(self._line(number), number)
        if len(cells) != len(self._names):
            raise self._wrong(number, f"has {len(cells)} cells, and the header names {len(self._names)}")
        values = {
            name: self._numbers(cell, name, number) for name, cell in zip(self._names, cells, strict=True)
        }
        return Features(f"{self.path}:{number}", values)

    def _numbers(self, cell: str, name: str, number: int) -> NDArray[np.generic]:
        try:
            found = np.asarray(json.loads(cell))
        except (ValueError, RecursionError):
            found = np.asarray(cell)
        if found.dtype.kind not in "iufb":
            raise self._wrong(
                number, f"holds {shorten(cell)} as {name}, and a number, or a list of numbers, is expected"
            )
        if not np.isfinite(found).all():
            raise self._wrong(number, f"holds {shorten(cell)} as {name}, and a number has to be finite")
        return found

    def _bytes(self, number: int) -> bytes:
        most = self._limits.record_bytes
        data = self._file.readline(most + 1)
        if len(data) > most:
            raise self._wrong(number, f"is longer than {most:,} bytes; {self._limits.remedy('record_bytes')}")
        return data

    def _line(self, number: int) -> str:
        data = self._bytes(number)
        try:
            return data.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise self._wrong(number, f"is not UTF-8: {error.reason}; convert the file to UTF-8") from None

    def _cells(self, line: str, number: int) -> list[str]:
        csv.field_size_limit(max(csv.field_size_limit(), len(line)))
        text = line.rstrip("\r\n")
        if "\r" in text:
            raise self._wrong(number, "has a carriage return in it; end each row by a line feed")
        return next(csv.reader([text]), [])

    def _wrong(self, number: int, what: str) -> UnreadableFileError:
        return UnreadableFileError(self.path, f"line {number} {what}")


def _listed(path: str) -> Iterator[tuple[str, int]]:
    """The files that a ``meta.dat`` names, beside it, and the rows of each."""
    with open_file(path) as file, reading(path):
        is_empty = True
        for number, line in enumerate(file, start=1):
            name, _, rows = line.decode("utf-8-sig", "replace").strip().rpartition(" ")
            if not name and not rows:
                continue
            is_empty = False
            if not rows.isascii() or not rows.isdigit() or len(rows) > 15 or os.path.basename(name) != name:
                raise UnreadableFileError(
                    path,
                    f"line {number} is {shorten(line.decode('utf-8', 'replace').strip())}; each names a file "
                    "that lies beside it and, behind a space, the number of its rows",
                )
            yield os.fspath(Path(path).with_name(name)), int(rows)
        if is_empty:
            raise UnreadableFileError(
                path,
                "names no file; each line is one that lies beside it, a space and the number of its rows",
            )


def _files(paths: Sequence[str], limits: RecordLimits) -> Iterator[CsvRecordFile]:
    for path in paths:
        if Path(path).name == META:
            yield from (CsvRecordFile(name, limits, rows) for name, rows in _listed(path))
        else:
            yield CsvRecordFile(path, limits)


@read_records.register
def _read(data: CsvRecordData, split: Split, look: Look) -> FileRecords:
    return FileRecords(data, list(_files(expanded(data.files_of(split)), data.limits)), look)
