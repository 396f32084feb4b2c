"""Files with a word a line and a blank line between sentences: CoNLL-2003's, BC5CDR's, and their like."""

from __future__ import annotations

from typing import Literal

from zoo_spec.base import NonNegativeInt
from zoo_spec.data.base import FilePaths
from zoo_spec.data.tagged_words import TaggedWordsData


class ConllFiles(TaggedWordsData):
    """Labelled words out of columns: a word a line, spaces or tabs between columns, a blank line between sentences.

    Lines of ``-DOCSTART-`` are passed over.
    """

    kind: Literal["conll"] = "conll"
    files: FilePaths
    """The files to train on."""
    word_column: NonNegativeInt = 0
    """The column of the word, from 0."""
    label_column: int = -1
    """The column of the tag: from 0, or from the end, where the last one is -1."""
    encoding: Literal["utf-8", "latin-1"] = "utf-8"
    """How the files' characters are written; CoNLL-2003's German ones are in ``latin-1``."""
    evaluation_files: FilePaths | None = None
    """Files to evaluate on; then nothing of ``files`` is held out."""

    @property
    def has_evaluation(self) -> bool:
        """Where ``evaluation_files`` are named."""
        return self.evaluation_files is not None
