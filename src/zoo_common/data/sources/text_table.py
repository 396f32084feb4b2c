"""Tables of labelled text."""

from __future__ import annotations

from functools import partial

from zoo_common.data.base import Split
from zoo_common.data.records import FileRecords, Look, read_records
from zoo_common.data.sources.cells import Cells, TableForm, name_of, text_of
from zoo_common.data.sources.table_files import read_table
from zoo_spec.data import LabelledText, TextTable


@read_records.register
def _read(data: TextTable, split: Split, look: Look) -> FileRecords:
    paths = data.evaluation_files if split == "eval" and data.evaluation_files is not None else data.files
    columns = (*data.text, data.label)
    form = TableForm(columns, data.limits, data.format, data.header, what="a table of labelled text")
    return read_table(data, paths, form, partial(_record, data), look)


def _record(data: TextTable, cells: Cells, where: str) -> LabelledText:
    *texts, label = cells
    found = tuple(text_of(cell, column, where) for column, cell in zip(data.text, texts, strict=True))
    return LabelledText(where, found, *_label(data, label, where))


def _label(data: TextTable, cell: object, where: str) -> tuple[str | None, tuple[str, ...]]:
    """The label as it stands there, None for a list, and its parts."""
    if isinstance(cell, list):
        return None, tuple(name_of(each, data.label, where) for each in cell)
    name = "" if cell is None else name_of(cell, data.label, where)
    parts = (part.strip() for part in name.split(data.label_separator))
    return name, tuple(part for part in parts if part)
