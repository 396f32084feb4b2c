"""Tables of texts with their summaries."""

from __future__ import annotations

from functools import partial

from zoo_common.data.base import Split
from zoo_common.data.file_marks import Source, named_files, sources, vocabulary_sources
from zoo_common.data.records import FileRecords, Look, read_records
from zoo_common.data.sentences import split_sentences
from zoo_common.data.sources.cells import Cells, TableForm, text_of
from zoo_common.data.sources.table_files import read_table
from zoo_spec.data.records import SummarizedText
from zoo_spec.data.summary_table import SummaryTable
from zoo_spec.data.table import Column
from zoo_spec.errors import InputError


@sources.register
def _files(data: SummaryTable) -> list[Source]:
    return [
        *named_files("data.files", data.files),
        *named_files("data.evaluation_files", data.evaluation_files, "eval"),
        *vocabulary_sources(data),
    ]


@read_records.register
def _read(data: SummaryTable, split: Split, look: Look) -> FileRecords:
    paths = data.evaluation_files if split == "eval" and data.evaluation_files is not None else data.files
    form = TableForm(
        (data.document, data.summary),
        data.limits,
        data.format,
        data.header,
        what="a table of texts and summaries",
    )
    return read_table(data, paths, form, partial(_record, data), look)


def _record(data: SummaryTable, cells: Cells, where: str) -> SummarizedText:
    document, summary = cells
    if isinstance(document, list):
        sentences = _listed(document, data.document, where)
    else:
        paragraphs = text_of(document, data.document, where).split("\n")
        sentences = tuple(sentence for each in paragraphs for sentence in split_sentences(each))
    if isinstance(summary, list):
        return SummarizedText(where, sentences, _listed(summary, data.summary, where))
    lines = text_of(summary, data.summary, where).split("\n")
    return SummarizedText(where, sentences, tuple(line.strip() for line in lines if line.strip()))


def _listed(cell: list[object], column: Column, where: str) -> tuple[str, ...]:
    if not cell:
        raise InputError(f"{where}: column {column!r} is an empty list; fill it in, or leave the line out")
    return tuple(text_of(each, column, where) for each in cell)
