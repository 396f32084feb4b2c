"""What all sources of labelled words: a label for each say, however they are written."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import model_validator

from zoo_spec.data.labelled_text import Names
from zoo_spec.data.records import LabelledWords, Record
from zoo_spec.data.tokenized import TokenizedData

WordCut = Literal["words", "punctuation"]
"""How text is cut into words, where a reader gives none."""


class LabelledWordsData(TokenizedData):
    """Base of the specs of data that are sources of labelled words: a label for each.

    Labels of entities are in IOB2: ``B-PER`` begins one of the type PER, ``I-PER`` goes on with it, ``O`` is none.
    """

    gives: ClassVar[type[Record] | None] = LabelledWords
    labels: Names | None = None
    """The labels' names in the order of their ids. Without them: ``O``, then ``B-`` and ``I-`` of each type that the
    training files have, sorted. Names that no word has (``[PAD]``, ``X``) may be among them. Either is kept in the
    run directory."""
    types: Names | None = None
    """The types of entities to learn; words of all others are labelled ``O``. Without them all are learned."""
    label_pieces: Literal["first", "all"] = "first"
    """Which pieces of a word are learned. ``first``: the first alone, as BERT has it; the others have the weight 0.
    ``all``: the others too, as going on with what the first begins. Evaluations and predictions go by the first."""
    word_cut: WordCut = "words"
    """How text is cut into words where it comes as text, as in predictions. ``words``: at white space, with
    punctuation at a word's ends and ``'s`` apart, as corpora of news have it. ``punctuation``: every character that
    is neither letter, mark nor digit stands apart, as in biomedical corpora."""

    @model_validator(mode="after")
    def _names_once(self) -> Self:
        for field, names in (("labels", self.labels or ()), ("types", self.types or ())):
            twice = [name for name in names if names.count(name) > 1]
            if twice:
                raise ValueError(f"{field} has {twice[0]!r} twice; name each once")
        return self
