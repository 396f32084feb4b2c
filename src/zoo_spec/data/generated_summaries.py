"""Made documents with summaries: a few things that somebody decided, among sentences that say nothing of the kind."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import model_validator

from zoo_spec.base import PositiveInt
from zoo_spec.data.summaries import SummaryData


class GeneratedSummaries(SummaryData):
    """Texts that are put together at random from lists of words, and not read: to learn summarisation by.

    Towns decide things, and each decision is a line of the summary in fewer words: "On Monday the council of Lund
    decided to build a wooden bridge." is "Lund to build wooden bridge". The other sentences name towns and things,
    too. No sentence's place says what it is.
    """

    kind: Literal["generated_summaries"] = "generated_summaries"
    drawn: ClassVar[str] = "texts put together at random, with their summaries"
    texts: PositiveInt = 2000
    """How many."""
    sentences: PositiveInt = 8
    """Sentences of each."""
    decisions: PositiveInt = 3
    """How many of these are decisions."""

    @model_validator(mode="after")
    def _room(self) -> Self:
        if self.decisions > self.sentences:
            raise ValueError(f"decisions {self.decisions} is above sentences {self.sentences}; lower it")
        return self
