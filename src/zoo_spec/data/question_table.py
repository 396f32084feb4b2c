"""A table of questions, as SQuAD is on hubs: a question, its text and the answers on every line."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import model_validator

from zoo_spec.data.base import FilePaths
from zoo_spec.data.questions import QuestionData
from zoo_spec.data.table import TableFormat, check_table, format_of

Path = str
"""A column's name, or a path into one: ``answers.text``."""


class QuestionTable(QuestionData):
    """Questions that are answered out of a text, out of JSON lines, Parquet or Arrow.

    A row has as many answers as places where they start, in the characters of the context, which is taken as it
    stands; one with none has no answer.
    """

    kind: Literal["question_table"] = "question_table"
    files: FilePaths
    """The files to train on, in UTF-8."""
    format: TableFormat | None = None
    """How all files are written, ``jsonl``, ``parquet`` or ``arrow``; without it each one's name says it."""
    id: Path = "id"
    """The column of what tells questions apart."""
    question: Path = "question"
    """The column of the question."""
    context: Path = "context"
    """The column of the text that is asked."""
    answers: Path = "answers.text"
    """Where the answers are, a list."""
    answer_starts: Path = "answers.answer_start"
    """Where the number of each one's first character is, a list."""
    evaluation_files: FilePaths | None = None
    """Files to evaluate on; then nothing of ``files`` is held out."""

    @property
    def has_evaluation(self) -> bool:
        """Where ``evaluation_files`` are named."""
        return self.evaluation_files is not None

    @property
    def columns(self) -> tuple[str, ...]:
        """All of them."""
        return self.id, self.question, self.context, self.answers, self.answer_starts

    @model_validator(mode="after")
    def _fits_its_format(self) -> Self:
        files = (*self.files, *(self.evaluation_files or ()))
        check_table(files, self.columns, given=self.format, header=True)
        flat = [path for path in files if format_of(path, self.format) in ("tsv", "csv")]
        if flat:
            raise ValueError(f"{flat[0]!r}: TSV and CSV have no lists of answers; give JSON lines or Parquet")
        return self
