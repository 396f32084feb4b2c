"""Embedded parallel text: what languages call places, languages, scripts, currencies and times of day."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from zoo_spec.data.text_pairs import TextPairData

Language = Annotated[str, Field(pattern=r"^[A-Za-z]{2,3}(_[A-Za-z0-9]{2,8})*$")]


class CldrNames(TextPairData):
    """Names out of Unicode's CLDR, as ``babel`` carries it, in two languages or scripts; the extra ``names``.

    The default is Serbian in its two alphabets, some 2,000 names whose letters follow a rule that a small model
    can learn; ``en`` and ``de`` are as many in two languages, which it cannot know all of.
    """

    kind: Literal["cldr_names"] = "cldr_names"
    source_language: Language = "sr"
    """CLDR's name of the language to read, with its script or country: ``en``, ``sr_Latn``, ``de_AT``."""
    target_language: Language = "sr_Latn"
    """That of the language to write."""

    @model_validator(mode="after")
    def _two_languages(self) -> Self:
        if self.source_language == self.target_language:
            raise ValueError(
                f"source_language and target_language are both {self.source_language!r}; name two"
            )
        return self
