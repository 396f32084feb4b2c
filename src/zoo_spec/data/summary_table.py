"""A table of texts and summaries: an article and its highlights on every line, as CNN/DailyMail is on hubs."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import model_validator

from zoo_spec.data.base import FilePaths
from zoo_spec.data.summaries import SummaryData
from zoo_spec.data.table import Column, TableFormat, check_table


class SummaryTable(SummaryData):
    """Texts with summaries out of TSV, CSV, JSON lines, Parquet or Arrow.

    A text is cut into sentences by its punctuation, its lines being paragraphs; a summary's lines are its sentences.
    A cell that is a list has a sentence in each item.
    """

    kind: Literal["summary_table"] = "summary_table"
    files: FilePaths
    """The files to train on, in UTF-8."""
    format: TableFormat | None = None
    """How all files are written, as of ``text_table``; without it each one's name says it."""
    header: bool = True
    """Whether the first line of a TSV or CSV file names its columns; else the columns are numbers."""
    document: Column = "article"
    """The column of the text."""
    summary: Column = "highlights"
    """The column of its summary."""
    evaluation_files: FilePaths | None = None
    """Files to evaluate on; then nothing of ``files`` is held out."""

    @property
    def has_evaluation(self) -> bool:
        """Where ``evaluation_files`` are named."""
        return self.evaluation_files is not None

    @model_validator(mode="after")
    def _fits_its_format(self) -> Self:
        files = (*self.files, *(self.evaluation_files or ()))
        check_table(files, (self.document, self.summary), given=self.format, header=self.header)
        return self
