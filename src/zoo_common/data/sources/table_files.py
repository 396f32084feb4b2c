"""Tables as records of any kind: TSV, CSV, JSON lines, Parquet and Arrow; where each row stands is held, no more.

A kind of table says which columns it reads and makes a record of a row's cells, and that is all::

    @read_records.register
    def _read(data: QuestionTable, split: Split, look: Look) -> FileRecords:
        columns = (data.question, data.context, data.answers)
        form = TableForm(columns, data.limits, data.format, data.header, what="a table of questions")
        paths = data.evaluation_files if split == "eval" and data.evaluation_files is not None else data.files
        return read_table(data, paths, form, partial(_record, data), look)


    def _record(data: QuestionTable, cells: Cells, where: str) -> Question:
        question, context, answers = cells
        return Question(where, where, text_of(question, data.question, where), …)

``zoo_common.data.sources.cells`` has ``text_of``, ``list_of``, ``whole_number_of`` and what else a cell may be taken
as; they complain by file and line. On the spec's side ``zoo_spec.data.table.check_table`` sees to the columns, and
``zoo_common.data.file_marks.named_files`` says which files are read.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from zoo_common.data.files import expanded
from zoo_common.data.record_files import IndexedFile
from zoo_common.data.records import FileRecords, Look, Place, RecordFile
from zoo_common.data.sources.arrow_table import ArrowTableFile
from zoo_common.data.sources.cells import Cells, TableForm
from zoo_common.data.sources.rows import Lines, Rows
from zoo_common.data.unpacked import open_unpacked
from zoo_spec.data import Data
from zoo_spec.data.records import Record
from zoo_spec.reading import UnreadableFileError, reading

MakeRecord = Callable[[Cells, str], Record]
"""Makes a record of a row's cells and its place (file and line); raises InputError, naming that, for wrong ones."""


def read_table(
    data: Data,
    paths: Iterable[str],
    form: TableForm,
    record: MakeRecord,
    look: Look,
    *,
    libraries: tuple[str, ...] = ("numpy",),
) -> FileRecords:
    """The records of tables, in the order of their files, which may be patterns and packed.

    ``libraries`` are those that a record is made with.

    Raises InputError, naming file and line, for what cannot be read; EnvironmentFault where Parquet or Arrow is to be
    read and ``pyarrow`` is not installed.
    """
    files: list[RecordFile] = []
    for path in expanded(paths):
        if form.format_of(path) in ("tsv", "csv", "jsonl"):
            files.append(TextTableFile(path, form, record))
        else:
            files.append(ArrowTableFile(path, form, record))
            libraries = (*(each for each in libraries if each != "pyarrow"), "pyarrow")
    return FileRecords(data, files, look, libraries=libraries)


class TextTableFile(IndexedFile):
    """The rows of one file of TSV, CSV or JSON lines."""

    def __init__(self, path: str, form: TableForm, record: MakeRecord) -> None:
        """Opens it and reads its header; errors as of ``Rows``."""
        self.path, self._form, self._record = path, form, record
        self._file = open_unpacked(path, form.limits)
        with reading(path):
            self.size = Path(path).stat().st_size
            self._length = os.fstat(self._file.fileno()).st_size
            self._lines = Lines(self._file, path, form.limits)
            self._rows = Rows(form, self._lines)

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
            beside = " but its header" if self._form.header and rows.format != "jsonl" else ""
            raise UnreadableFileError(self.path, f"has no row{beside}; give {self._form.what}")

    def read(self, place: Place) -> Record:
        """One row; raises InputError if the file is another by now."""
        return self._record(self._cells(place), f"{self.path}:{place[1]}")

    def passed(self, place: Place) -> int:
        """As much of the file as of what it unpacks to."""
        return place[0] * self.size // self._length

    def fields(self, place: Place) -> list[str]:
        """All fields of a row of TSV."""
        lines = Lines(self._file, self.path, self._form.limits, offset=place[0], number=place[1] - 1)
        return next(lines, "").rstrip("\r\n").split("\t")

    def _cells(self, place: Place) -> Cells:
        offset, number = place
        if os.fstat(self._file.fileno()).st_size != self._length:
            raise UnreadableFileError(self.path, "has changed while it was read; begin again")
        lines = Lines(self._file, self.path, self._form.limits, offset=offset, number=number - 1)
        cells = next(self._rows.of(lines), None)
        if cells is None:
            raise UnreadableFileError(
                self.path, f"line {number} is gone: the file was changed while it was read"
            )
        return cells
