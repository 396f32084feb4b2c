"""SQuAD's own files."""

from __future__ import annotations

from typing import Literal

from zoo_spec.data.base import FilePaths
from zoo_spec.data.questions import QuestionData


class SquadFiles(QuestionData):
    """Questions out of files as SQuAD 1.1 and 2.0 have them (Rajpurkar et al., 2016 and 2018), in JSON.

    ``plausible_answers`` are read over. The context is taken as it stands: answers are found by counting its
    characters.
    """

    kind: Literal["squad"] = "squad"
    files: FilePaths
    """The files to train on, such as ``train-v1.1.json``; they may be packed (gzip, Zstandard, xz, bzip2)."""
    evaluation_files: FilePaths | None = None
    """Files to evaluate on, such as ``dev-v1.1.json``; then nothing of ``files`` is held out."""

    @property
    def has_evaluation(self) -> bool:
        """Where ``evaluation_files`` are named."""
        return self.evaluation_files is not None
