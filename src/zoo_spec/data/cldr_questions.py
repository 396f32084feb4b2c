"""Embedded questions: of the world's territories, out of paragraphs that are written of Unicode's CLDR."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from zoo_spec.base import PositiveInt
from zoo_spec.data.base import as_tuple
from zoo_spec.data.cldr_names import Language
from zoo_spec.data.questions import QuestionData


class CldrQuestions(QuestionData):
    """Paragraphs about territories, and a question on each of their sentences; the extra ``names``.

    The facts are CLDR's, as ``babel`` carries it: code, currency, official language, and what other languages call
    the territory. The sentences are ours, in an order drawn by ``split_seed``. ``evaluation_fraction`` of the
    paragraphs are held out with all their questions; other paragraphs tell of the same territories in other orders.
    """

    kind: Literal["cldr_questions"] = "cldr_questions"
    languages: Annotated[tuple[Language, ...], BeforeValidator(as_tuple), Field(min_length=1)] = ("de",)
    """The languages whose names a paragraph tells, as CLDR calls them."""
    paragraphs: PositiveInt = 4
    """Paragraphs about each territory, which differ in their order; fewer where its facts have fewer orders drawn."""

    @property
    def has_evaluation(self) -> bool:
        """Paragraphs are held out here, not single questions on them."""
        return True
