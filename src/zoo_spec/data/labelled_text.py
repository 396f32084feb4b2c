"""What all sources of labelled text say, however it is written."""

from __future__ import annotations

from typing import Annotated, ClassVar, Self

from pydantic import BeforeValidator, Field, model_validator

from zoo_spec.data.base import as_tuple
from zoo_spec.data.records import LabelledText, Record
from zoo_spec.data.tokenized import TokenizedData

Names = Annotated[
    tuple[Annotated[str, Field(min_length=1)], ...], BeforeValidator(as_tuple), Field(min_length=1)
]


class LabelledTextData(TokenizedData):
    """Base of the specs of data that are sources of labelled text."""

    gives: ClassVar[type[Record] | None] = LabelledText
    labels: Names | None = None
    """The labels' names in the order of their ids. Without them the names of the training files are taken, sorted,
    whole numbers by their value; either is kept in the run directory."""

    @property
    def texts(self) -> int:
        """How many texts a record has: 1, or 2 of a pair."""
        return 1

    @model_validator(mode="after")
    def _names_once(self) -> Self:
        for name in self.labels or ():
            if (self.labels or ()).count(name) > 1:
                raise ValueError(f"labels has {name!r} twice; name each once")
        return self
