"""A data set whose examples are another's, and whose batches are its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from zoo_common.data.base import DataDescription, Dataset, EpochIndex, Example, Padding


class Regrouped(Dataset):
    """The examples of another, one by one as they are there; ``batch`` is the subclass's."""

    def __init__(self, examples: Dataset) -> None:
        self._examples = examples

    def __len__(self) -> int:
        return len(self._examples)

    def example(self, epoch: int, index: int) -> Example:
        """As there."""
        return self._examples.example(epoch, index)

    def examples(self, wanted: Sequence[EpochIndex]) -> list[Example]:
        """As there."""
        return self._examples.examples(wanted)

    def padding(self) -> Padding:
        """To the longest that there may be; a batch may say less."""
        return self._examples.padding()

    def lengths(self) -> Mapping[str, NDArray[np.int32]]:
        """As there."""
        return self._examples.lengths()

    def description(self) -> DataDescription:
        """As there."""
        return self._examples.description()

    def why_weightless(self) -> str:
        """As there."""
        return self._examples.why_weightless()
