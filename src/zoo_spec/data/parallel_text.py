"""Parallel text: two files, of which each line of one says what that line of the other does."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import model_validator

from zoo_spec.data.base import FilePaths
from zoo_spec.data.text_pairs import TextPairData


class ParallelText(TextPairData):
    """Two files line by line, or several pairs of files: as WMT's and Multi30k's are distributed."""

    kind: Literal["parallel_text"] = "parallel_text"
    source_files: FilePaths
    """The files of what is to be read, in UTF-8, a text a line."""
    target_files: FilePaths
    """The files of what is to be made of it, as many, in the same order: line k belongs to line k. Where both are
    blank there is nothing to learn, and the lines only count; one alone is a bad record."""
    evaluation_source_files: FilePaths | None = None
    """The same to evaluate on; then nothing of the others is held out."""
    evaluation_target_files: FilePaths | None = None
    """What is to be made of these."""

    @property
    def has_evaluation(self) -> bool:
        """Where files to evaluate on are named."""
        return self.evaluation_source_files is not None

    @model_validator(mode="after")
    def _both_sides(self) -> Self:
        if (self.evaluation_source_files is None) != (self.evaluation_target_files is None):
            raise ValueError(
                "evaluation_source_files and evaluation_target_files are given together or not at all"
            )
        return self
