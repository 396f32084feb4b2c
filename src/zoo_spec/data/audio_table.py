"""A table of sounds: a file and what is said in it on every line."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import model_validator

from zoo_spec.data.base import FilePath, FilePaths
from zoo_spec.data.table import Column, TableFormat, check_table
from zoo_spec.data.utterances import UtteranceData


class AudioTable(UtteranceData):
    """Utterances out of a table: the path of a FLAC or WAV file, and its transcript."""

    kind: Literal["audio_table"] = "audio_table"
    files: FilePaths
    """The files to train on, in UTF-8."""
    format: TableFormat | None = None
    """How all files are written, as of ``text_table``; without it each one's name says it."""
    header: bool = True
    """Whether the first line of a TSV or CSV file names its columns; else ``path`` and ``text`` are numbers."""
    path: Column
    """The column of the sound's path."""
    text: Column
    """The column of what is said."""
    root: FilePath | None = None
    """The folder that the sounds' paths begin at; the working directory if left out."""
    evaluation_files: FilePaths | None = None
    """Files to evaluate on; then nothing of ``files`` is held out."""

    @property
    def has_evaluation(self) -> bool:
        """Where ``evaluation_files`` are named."""
        return self.evaluation_files is not None

    @model_validator(mode="after")
    def _fits_its_format(self) -> Self:
        files = (*self.files, *(self.evaluation_files or ()))
        check_table(files, (self.path, self.text), given=self.format, header=self.header)
        return self
