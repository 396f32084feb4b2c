"""Embedded labelled words: sentences that are made, with real names of places, languages and currencies in them."""

from __future__ import annotations

from typing import ClassVar, Literal

from zoo_spec.base import PositiveInt, Rate
from zoo_spec.data.labelled_words import LabelledWordsData


class CldrSentences(LabelledWordsData):
    """English sentences out of templates, with names of Unicode's CLDR, as ``babel`` carries it; the extra ``names``.

    Entities are of the types ``currency``, ``language`` and ``place``. No name of the evaluation's is among those of
    training, so that a name is found by what stands around it and by its parts, and not by heart.
    """

    kind: Literal["cldr_sentences"] = "cldr_sentences"
    drawn: ClassVar[str] = "sentences made of templates and CLDR's names, drawn at random"
    samples: PositiveInt = 2000
    """Sentences to train on."""
    evaluation_fraction: Rate = 0.1
    """Part of the names of each type, drawn by ``split_seed``, that only the sentences to evaluate on have; these are
    as large a part of ``samples`` more."""

    @property
    def has_evaluation(self) -> bool:
        """Always: with names of its own."""
        return True
