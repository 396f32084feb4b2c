"""Tables with a document a row."""

from __future__ import annotations

from functools import partial

from zoo_common.data.base import Split
from zoo_common.data.records import FileRecords, Look, read_records
from zoo_common.data.sources.cells import Cells, TableForm, text_of
from zoo_common.data.sources.table_files import read_table
from zoo_spec.data import RunningTextTable
from zoo_spec.data.records import RunningText


@read_records.register
def _read(data: RunningTextTable, split: Split, look: Look) -> FileRecords:
    paths = data.evaluation_files if split == "eval" and data.evaluation_files is not None else data.files
    form = TableForm((data.text,), data.limits, data.format, data.header, what="a table of documents")
    return read_table(data, paths, form, partial(_record, data), look)


def _record(data: RunningTextTable, cells: Cells, where: str) -> RunningText:
    return RunningText(where, text_of(cells[0], data.text, where))
