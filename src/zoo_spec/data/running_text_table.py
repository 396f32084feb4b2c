"""A table with a document a row, as C4 and the Pile are published."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import model_validator

from zoo_spec.data.base import FilePaths
from zoo_spec.data.running_text import RunningTextData
from zoo_spec.data.table import Column, TableFormat, check_table


class RunningTextTable(RunningTextData):
    """Running text out of a table: a document a row; C4's and the Pile's shards as they are."""

    kind: Literal["running_text_table"] = "running_text_table"
    files: FilePaths
    """The files to train on, which may be packed and patterns."""
    format: TableFormat | None = None
    """How all files are written, as in ``text_table``; C4's ``.json.gz`` are ``jsonl``."""
    header: bool = True
    """Whether the first line of a TSV or CSV file names its columns; else ``text`` is a number."""
    text: Column = "text"
    """The column of the documents; what stands in others is not read."""
    evaluation_files: FilePaths | None = None
    """Files to evaluate on; then nothing of ``files`` is held out."""

    @property
    def has_evaluation(self) -> bool:
        """Where ``evaluation_files`` are named."""
        return self.evaluation_files is not None

    @model_validator(mode="after")
    def _fits_its_format(self) -> Self:
        files = (*self.files, *(self.evaluation_files or ()))
        check_table(files, (self.text,), given=self.format, header=self.header)
        return self
