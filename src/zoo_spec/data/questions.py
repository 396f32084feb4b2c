"""What all sources of questions that are answered out of a text say, however they are written."""

from __future__ import annotations

from typing import ClassVar

from zoo_spec.data.records import Question, Record
from zoo_spec.data.tokenized import TokenizedData


class QuestionData(TokenizedData):
    """Base of the specs of data that are sources of questions that are answered out of a text."""

    gives: ClassVar[type[Record] | None] = Question
