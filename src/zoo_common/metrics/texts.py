"""Metrics that compare what a model says with the texts of the records that an evaluation's examples come from.

What counts such a kind is registered on its class, ``@open_text_metric.register``, as a plugin does with its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import singledispatch
from typing import Generic, Protocol, TypeVar, cast, runtime_checkable

from zoo_common.backend import Batch, Weights
from zoo_common.data.base import Dataset
from zoo_common.data.mixture import AllExamples
from zoo_spec.errors import EnvironmentFault, InputError
from zoo_spec.tasks.metrics import TextMetric


class TextCounter(Protocol):
    """A text metric over the batches so far, which are those of epoch 0, in order."""

    metric: TextMetric

    def add(self, batch: Batch, outputs: Batch) -> None:
        """Count a batch; its rows go on where those of the last one ended, and those after the last example are
        copies that fill the batch up."""

    @property
    def values(self) -> Mapping[str, float]:
        """The numbers, called as in ``metric.names``; 0 before anything was counted."""


@runtime_checkable
class AsksModel(TextCounter, Protocol):
    """One that has the model run again, for more than an evaluation's outputs say."""

    def ask(self, step: Callable[[Batch], Weights]) -> None:
        """By what the model is run on a batch of features; before the first batch."""


class RowNumbers:
    """Which example of an evaluation each row of a batch is."""

    def __init__(self, examples: Dataset) -> None:
        self._count, self._next = len(examples), 0

    def of(self, rows: int) -> range:
        """The numbers of the next so many rows; fewer where the last ones are copies."""
        first = self._next
        self._next = min(first + rows, self._count)
        return range(first, self._next)


def each_source(examples: Dataset) -> list[Dataset]:
    """The examples of each source, one after the other; of a mixture those of all, whose parts may be mixed too."""
    if not isinstance(examples, AllExamples):
        return [examples]
    return [each for part in examples.parts for each in each_source(part)]


Kind = TypeVar("Kind")


class ExampleRows(Generic[Kind]):
    """Which example of which source each row of a batch is, where all sources' are of one kind."""

    def __init__(self, examples: Dataset, kind: type[Kind], wrong: str) -> None:
        """Raises InputError, which says what is ``wrong``, for examples of another kind."""
        self.sources: list[Kind] = []
        for source in each_source(examples):
            if not isinstance(source, kind):
                raise InputError(wrong)
            self.sources.append(source)
        self._examples, self._rows = examples, RowNumbers(examples)

    def of(self, rows: int) -> Iterator[tuple[Kind, int]]:
        """The source of each of the next so many rows, and its number there; fewer where the last ones are copies."""
        for index in self._rows.of(rows):
            source, place = self._examples, index
            while isinstance(source, AllExamples):
                source, place = source.located(place)
            yield cast(Kind, source), place


@singledispatch
def open_text_metric(metric: TextMetric, examples: Dataset) -> TextCounter:
    """A counter at zero of what a task declares, over examples that were made of records.

    Raises InputError for examples that it cannot tell the records of, EnvironmentFault for a kind that nobody has
    registered.
    """
    raise EnvironmentFault(
        f"nothing counts the metric {metric.name!r}, of kind {metric.kind!r}: whoever brings it registers that with "
        "zoo_common.metrics.open_text_metric"
    )
