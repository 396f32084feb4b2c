"""Abstracts and what is mentioned in them, by offsets: PubTator's form, in which BC5CDR is published."""

from __future__ import annotations

from typing import Literal

from zoo_spec.data.base import FilePaths
from zoo_spec.data.labelled_words import LabelledWordsData, WordCut


class PubTatorFiles(LabelledWordsData):
    """Labelled words out of titles and abstracts with mentions by character offsets; relations are passed over.

    A record is a document. Mentions that overlap an earlier or longer one, or that begin or end within a word, are no
    entities, and are counted.
    """

    kind: Literal["pubtator"] = "pubtator"
    files: FilePaths
    """The files to train on, in UTF-8."""
    word_cut: WordCut = "punctuation"
    """How text is cut into words, here and in predictions. ``punctuation``: every character that is neither letter,
    mark nor digit stands apart. ``words``: at white space, with punctuation at a word's ends and ``'s`` apart."""
    evaluation_files: FilePaths | None = None
    """Files to evaluate on; then nothing of ``files`` is held out."""

    @property
    def has_evaluation(self) -> bool:
        """Where ``evaluation_files`` are named."""
        return self.evaluation_files is not None
