"""What all sources of labelled words: a label for each say, however they are written."""

from __future__ import annotations

from typing import ClassVar

from zoo_spec.data.records import LabelledWords, Record
from zoo_spec.data.tokenized import TokenizedData


class LabelledWordsData(TokenizedData):
    """Base of the specs of data that are sources of labelled words: a label for each."""

    gives: ClassVar[type[Record] | None] = LabelledWords
