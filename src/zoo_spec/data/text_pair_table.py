"""A table of pairs: a text, and the text that is to be made of it, on every line."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import model_validator

from zoo_spec.data.base import FilePaths
from zoo_spec.data.table import Column, TableFormat, check_table
from zoo_spec.data.text_pairs import TextPairData


class TextPairTable(TextPairData):
    """Texts with the texts that are to be made of them, out of TSV, CSV, JSON lines, Parquet or Arrow."""

    kind: Literal["text_pair_table"] = "text_pair_table"
    files: FilePaths
    """The files to train on, in UTF-8."""
    format: TableFormat | None = None
    """How all files are written, as of ``text_table``; without it each one's name says it."""
    header: bool = True
    """Whether the first line of a TSV or CSV file names its columns; else ``source`` and ``target`` are numbers."""
    source: Column = "source"
    """The column of what is read."""
    target: Column = "target"
    """The column of what is to be made of it."""
    evaluation_files: FilePaths | None = None
    """Files to evaluate on; then nothing of ``files`` is held out."""

    @property
    def has_evaluation(self) -> bool:
        """Where ``evaluation_files`` are named."""
        return self.evaluation_files is not None

    @model_validator(mode="after")
    def _fits_its_format(self) -> Self:
        files = (*self.files, *(self.evaluation_files or ()))
        check_table(files, (self.source, self.target), given=self.format, header=self.header)
        return self
