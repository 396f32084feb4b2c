"""A table of labelled text: a text, or two, and what people said of it on every line."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from zoo_spec.base import NonNegativeInt
from zoo_spec.data.base import FilePaths, as_tuple
from zoo_spec.data.labelled_text import LabelledTextData

TableFormat = Literal["tsv", "csv", "jsonl"]
SUFFIXES: dict[str, TableFormat] = {".tsv": "tsv", ".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}
"""What a file's name says of its format."""

Column = Annotated[str, Field(min_length=1)] | NonNegativeInt
"""A column by its name, or by its number from 0."""


Columns = Annotated[tuple[Column, ...], BeforeValidator(as_tuple), Field(min_length=1, max_length=2)]


class TextTable(LabelledTextData):
    """Labelled text out of TSV, CSV or JSON lines: a class, several labels or a number, of a text or of a pair."""

    kind: Literal["text_table"] = "text_table"
    files: FilePaths
    """The files to train on, in UTF-8."""
    format: TableFormat | None = None
    """How all files are written; without it each one's name says it (``.tsv``, ``.csv``, ``.jsonl``, ``.ndjson``).
    ``tsv``: fields between tabs, in which quotes are text like any other, as in GLUE. ``csv``: fields between commas,
    quoted where they hold commas, quotes or line ends (RFC 4180). ``jsonl``: an object a line."""
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

    def format_of(self, path: str) -> TableFormat:
        """How a file is written."""
        return self.format or SUFFIXES[_suffix(path)]

    @model_validator(mode="after")
    def _fits_its_format(self) -> Self:
        columns = (*self.text, self.label)
        for path in (*self.files, *(self.evaluation_files or ())):
            if self.format is None and _suffix(path) not in SUFFIXES:
                raise ValueError(
                    f"the name of {path!r} does not say how it is written; set format to tsv, csv or jsonl"
                )
            named = self.header or self.format_of(path) == "jsonl"
            wrong = [column for column in columns if isinstance(column, str) != named]
            if wrong and self.format_of(path) == "jsonl":
                raise ValueError(f"column {wrong[0]!r}: JSON lines have names for columns; give one")
            if not named and wrong:
                raise ValueError(
                    f"column {wrong[0]!r} is a name, and header is false; number the columns from 0"
                )
        twice = [column for column in columns if columns.count(column) > 1]
        if twice:
            raise ValueError(f"column {twice[0]!r} is named twice in text and label; name each once")
        return self


def _suffix(path: str) -> str:
    """What a name ends with, without what says that the file is packed."""
    for packed in (".gz", ".zst", ".xz", ".bz2"):
        path = path.removesuffix(packed)
    dot = path.rfind(".")
    return path[dot:].lower() if dot > max(path.rfind("/"), path.rfind("\\")) else ""
