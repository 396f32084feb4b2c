"""Several sources at once, each as often as its weight says."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, JsonValue

from zoo_spec.base import PositiveFloat, Spec
from zoo_spec.data.base import Data, FilePath, as_tuple


class MixedSource(Spec):
    """One source of a mixture."""

    data: Data
    """Where its examples come from, and what they are like."""
    weight: PositiveFloat = 1.0
    """How many of an epoch's examples are its own, against the weights of the others."""


class MixtureData(Data):
    """Several sources of data, mixed by weight.

    An epoch has as many examples as all sources together, as many of each as its weight says; each source is gone
    through again and again in an order of its own, so that all of its examples are seen in turn. The evaluation is
    that of all of them, one after the other, by no weight. A vocabulary that none names, and the names of labels, are
    those of the first; by its data a user's own input is read too.
    """

    kind: Literal["mixture"] = "mixture"
    sources: Annotated[tuple[MixedSource, ...], BeforeValidator(as_tuple), Field(min_length=1)]
    """The sources; the first is said to be that of the run."""
    evaluation: Data | None = None
    """What is evaluated on in the place of the sources' own: all of it, or what it says that is for evaluation."""

    prepared: FilePath | None = None
    """A directory that ``zoo data prepare`` made of all sources."""

    @property
    def is_of_records(self) -> bool:
        """Whether all that is evaluated on is."""
        evaluated = [self.evaluation] if self.evaluation is not None else [each.data for each in self.sources]
        return all(each.is_of_records for each in evaluated)

    @property
    def asked(self) -> Data:
        """That of the first source."""
        return self.sources[0].data.asked

    def within(self, most: int) -> Data:
        """Each source's examples cut to this size."""
        sources = tuple(each.model_copy(update={"data": each.data.within(most)}) for each in self.sources)
        return self.model_copy(update={"sources": sources})

    def preprocessing(self) -> dict[str, JsonValue]:
        """As of the first source."""
        return self.asked.preprocessing()
