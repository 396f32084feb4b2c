"""What all sources of questions that are answered out of a text say, however they are written."""

from __future__ import annotations

from typing import ClassVar

from zoo_spec.base import PositiveInt
from zoo_spec.data.records import Question, Record
from zoo_spec.data.tokenized import TokenizedData


class QuestionData(TokenizedData):
    """Base of the specs of data that are sources of questions that are answered out of a text.

    A text that is longer than ``sequence_length`` has room for is read in windows that overlap, each behind the
    question; google-research/bert's sizes are 384, 128 and 64.
    """

    gives: ClassVar[type[Record] | None] = Question
    stride: PositiveInt = 128
    """Tokens of the text from one window's beginning to the next one's. (``transformers`` calls so how many two
    windows share.)"""
    question_length: PositiveInt = 64
    """Tokens of a question at most; what is longer is cut at its end."""
