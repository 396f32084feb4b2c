"""Tables of texts with the texts that are to be made of them."""

from __future__ import annotations

from functools import partial

from zoo_common.data.base import Split
from zoo_common.data.file_marks import Source, named_files, sources, vocabulary_sources
from zoo_common.data.records import FileRecords, Look, read_records
from zoo_common.data.sources.cells import Cells, TableForm, text_of
from zoo_common.data.sources.table_files import read_table
from zoo_spec.data.records import TextPair
from zoo_spec.data.text_pair_table import TextPairTable


@sources.register
def _files(data: TextPairTable) -> list[Source]:
    return [
        *named_files("data.files", data.files),
        *named_files("data.evaluation_files", data.evaluation_files, "eval"),
        *vocabulary_sources(data),
    ]


@read_records.register
def _read(data: TextPairTable, split: Split, look: Look) -> FileRecords:
    paths = data.evaluation_files if split == "eval" and data.evaluation_files is not None else data.files
    form = TableForm(
        (data.source, data.target), data.limits, data.format, data.header, what="a table of pairs of texts"
    )
    return read_table(data, paths, form, partial(_record, data), look)


def _record(data: TextPairTable, cells: Cells, where: str) -> TextPair:
    source, target = cells
    return TextPair(where, text_of(source, data.source, where), text_of(target, data.target, where))
