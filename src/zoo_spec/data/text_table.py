"""A table of labelled text: a text, or two, and what people said of it on every line."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from zoo_spec.data.base import FilePaths, as_tuple
from zoo_spec.data.labelled_text import LabelledTextData
from zoo_spec.data.table import Column, TableFormat, check_table

Columns = Annotated[tuple[Column, ...], BeforeValidator(as_tuple), Field(min_length=1, max_length=2)]


class TextTable(LabelledTextData):
    """Labelled text out of a table: a class, several labels or a number, of a text or of a pair."""

    kind: Literal["text_table"] = "text_table"
    files: FilePaths
    """The files to train on, in UTF-8."""
    format: TableFormat | None = None
    """How all files are written; without it each one's name says it (``.tsv``, ``.csv``, ``.jsonl``, ``.ndjson``,
    ``.parquet``, ``.arrow``, ``.feather``; packed, also with ``.gz``, ``.zst``, ``.xz``, ``.bz2`` behind it).
    ``tsv``: fields between tabs, in which quotes are text like any other, as in GLUE. ``csv``: fields between commas,
    quoted where they hold commas, quotes or line ends (RFC 4180). ``jsonl``: an object a line.
    ``parquet``, ``arrow``: those of Apache Arrow, as ``datasets`` and pandas write them."""
    header: bool = True
    """Whether the first line of a TSV or CSV file names its columns; else ``text`` and ``label`` are numbers."""
    text: Columns
    """The column of the text, or the two of a pair."""
    label: Column
    """The column of the class, the labels or the number."""
    label_separator: Annotated[str, Field(min_length=1, max_length=8)] = ","
    """What stands between labels in that column, for a task that learns several; JSON lines may have lists."""
    evaluation_files: FilePaths | None = None
    """Files to evaluate on; then nothing of ``files`` is held out."""

    @property
    def has_evaluation(self) -> bool:
        """Where ``evaluation_files`` are named."""
        return self.evaluation_files is not None

    @property
    def texts(self) -> int:
        """As many as ``text`` names columns."""
        return len(self.text)

    @model_validator(mode="after")
    def _fits_its_format(self) -> Self:
        files = (*self.files, *(self.evaluation_files or ()))
        check_table(files, (*self.text, self.label), given=self.format, header=self.header)
        return self
