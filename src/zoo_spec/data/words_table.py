"""A table of labelled words: a list of words and a list of their tags in every row, as hubs have them."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import model_validator

from zoo_spec.data.base import FilePaths
from zoo_spec.data.labelled_text import Names
from zoo_spec.data.table import Column, TableFormat, check_table
from zoo_spec.data.tagged_words import TaggedWordsData


class WordsTable(TaggedWordsData):
    """Labelled words out of two columns of lists, of JSON lines, Parquet or Arrow."""

    kind: Literal["words_table"] = "words_table"
    files: FilePaths
    """The files to train on."""
    format: TableFormat | None = None
    """How all files are written, ``jsonl``, ``parquet`` or ``arrow``; without it each one's name says it."""
    words: Column = "tokens"
    """The column of the words."""
    tags: Column = "ner_tags"
    """The column of their tags: names, or numbers that ``tag_names`` tell the meaning of."""
    tag_names: Names | None = None
    """What the tags 0, 1, … are called, where the column has numbers, as hubs' descriptions of a data set say."""
    evaluation_files: FilePaths | None = None
    """Files to evaluate on; then nothing of ``files`` is held out."""

    @property
    def has_evaluation(self) -> bool:
        """Where ``evaluation_files`` are named."""
        return self.evaluation_files is not None

    @model_validator(mode="after")
    def _fits_its_format(self) -> Self:
        files = (*self.files, *(self.evaluation_files or ()))
        check_table(files, (self.words, self.tags), given=self.format, header=True)
        return self
