"""What each class counts in a loss: ``label_weights``, a weight for each example by its label."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from zoo_common.data.base import DataDescription, Dataset, EpochIndex, Example, Padding, example_bytes
from zoo_common.data.kept_arrays import Block, Keep, in_memory
from zoo_common.data.records import Records
from zoo_spec.data.records import Record
from zoo_spec.errors import InputError


class WeighedExamples(Dataset):
    """The examples with ``label_weights``, those of the classes that their ``labels`` are."""

    def __init__(self, examples: Dataset, weights: NDArray[np.float32]) -> None:
        """``weights [classes]``."""
        self._examples, self._weights = examples, weights

    def __len__(self) -> int:
        return len(self._examples)

    def example(self, epoch: int, index: int) -> Example:
        """One example."""
        return self.examples([(epoch, index)])[0]

    def examples(self, wanted: Sequence[EpochIndex]) -> list[Example]:
        """Several."""
        return [
            {**each, "label_weights": self._weights[each["labels"]]}
            for each in self._examples.examples(wanted)
        ]

    def padding(self) -> Padding:
        """As of the examples; a weight is a scalar."""
        return self._examples.padding()

    def lengths(self) -> Mapping[str, NDArray[np.int32]]:
        """As of the examples."""
        return self._examples.lengths()

    def description(self) -> DataDescription:
        """That of the examples."""
        return replace(self._examples.description(), bytes_per_sample=example_bytes(self))


def balanced(
    records: Records,
    ids_of: Callable[[Record], Iterable[int]],
    names: Sequence[str],
    classes: int,
    keep: Keep = in_memory,
) -> NDArray[np.float32]:
    """``labels / (classes * those of a class)``, as scikit-learn has it; InputError for a class without any.

    ``ids_of`` are the classes of a training record's labels.
    """

    def counted() -> Iterator[Block]:
        counts = np.zeros(classes)
        for index in range(len(records)):
            for each in ids_of(records[index]):
                counts[each] += 1
        yield {"counts": counts}

    counts = keep("class_counts", counted)["counts"].astype(np.float64)
    if not counts.all():
        number = int(np.argmin(counts))
        said = repr(names[number]) if names else str(number)
        raise InputError(
            f"{records.description().source}: no training record is of the class {said}, so that it has no "
            "balanced weight; give the weights in task.class_weights"
        )
    return np.asarray(counts.sum() / (classes * counts), np.float32)
