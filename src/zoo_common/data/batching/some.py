"""Some of a data set's examples, such as those of a bucket."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import singledispatch

import numpy as np
from numpy.typing import NDArray

from zoo_common.data.base import DataDescription, Dataset, EpochIndex, Example, Padding


class SomeExamples(Dataset):
    """Those of these ``numbers``, ``[examples]``, in this order."""

    def __init__(self, examples: Dataset, numbers: NDArray[np.int32]) -> None:
        self._examples, self._numbers = examples, numbers

    def __len__(self) -> int:
        return len(self._numbers)

    def example(self, epoch: int, index: int) -> Example:
        """One of them."""
        return self._examples.example(epoch, int(self._numbers[index]))

    def examples(self, wanted: Sequence[EpochIndex]) -> list[Example]:
        """Several."""
        return self._examples.examples([(epoch, int(self._numbers[index])) for epoch, index in wanted])

    def padding(self) -> Padding:
        """That of all."""
        return self._examples.padding()

    def lengths(self) -> Mapping[str, NDArray[np.int32]]:
        """Those of these."""
        return {name: values[self._numbers] for name, values in self._examples.lengths().items()}

    def description(self) -> DataDescription:
        """That of all, with the number of these."""
        return replace(self._examples.description(), samples=len(self))

    def why_weightless(self) -> str:
        """As all."""
        return self._examples.why_weightless()


@singledispatch
def own_lengths(examples: Dataset) -> Mapping[str, NDArray[np.int32]]:
    """``lengths`` of the examples that ``some`` counts.

    Registered on the class of a data set in which a place is not the same example in each epoch, as a mixture's.
    """
    return examples.lengths()


@singledispatch
def some(examples: Dataset, numbers: NDArray[np.int32]) -> Dataset:
    """The examples of these numbers, which rise; numbered as ``own_lengths`` has them."""
    return SomeExamples(examples, numbers)
