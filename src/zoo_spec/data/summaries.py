"""What all sources of texts with their summaries say, however they are written."""

from __future__ import annotations

from typing import ClassVar, Literal

from zoo_spec.base import NonNegativeInt, PositiveInt
from zoo_spec.data.records import Record, SummarizedText
from zoo_spec.data.target_text import TargetTextData


class SummaryData(TargetTextData):
    """Base of the specs of data that are sources of texts with their summaries.

    The fields from ``oracle`` on are those of extractive summarisation, as BERTSUM has them (Liu, 2019, 3.1;
    nlpyang/BertSum); they count a sentence's words between white space.
    """

    gives: ClassVar[type[Record] | None] = SummarizedText
    oracle: Literal["greedy", "combination"] = "greedy"
    """How the sentences are found that make the best summary, where the records do not say. ``greedy``: the one that
    raises ROUGE most, again and again; ``combination``: the best of all sets of 1 to ``oracle_size + 1``."""
    oracle_size: PositiveInt = 3
    """Most sentences of the greedy one."""
    least_words: NonNegativeInt = 5
    """A sentence of so many words, or fewer, is left out."""
    most_words: PositiveInt = 200
    """Words of a sentence; the rest is cut off."""
    least_sentences: PositiveInt = 3
    """Documents of fewer are left out, and counted."""
    most_sentences: PositiveInt = 100
    """Sentences of a document; the rest is cut off."""
