"""What a look at data found, as data; ``inspect`` makes it, the renderers print it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from zoo_common.data.base import Example, Split
from zoo_common.report.inspection.views import Classes, Row


@dataclass(frozen=True)
class ShownExample:
    """One example as it is shown; ``arrays`` are what a model is fed, ``rows`` what is said of it."""

    index: int
    rows: tuple[Row, ...]
    arrays: Example = field(repr=False)


@dataclass(frozen=True)
class Lengths:
    """How long examples are along one dimension; ``padding`` is what they are filled up to.

    ``real [examples looked at]`` are those of examples as they are made.
    """

    dimension: str
    padding: int
    real: NDArray[np.int64] = field(repr=False)

    def histogram(self, most: int = 16) -> list[tuple[int, int, int]]:
        """So many bins at the most: the shortest that each is of, the longest, and how many there are."""
        width = max(1, -(-self.padding // most))
        numbers = np.bincount(np.maximum(self.real - 1, 0) // width, minlength=-(-self.padding // width))
        return [
            (number * width + 1, min((number + 1) * width, self.padding), int(count))
            for number, count in enumerate(numbers.tolist())
        ]


@dataclass(frozen=True)
class Waste:
    """What of a training epoch's tokens is padding under a kind of batching; ``why_not`` where it cannot be had."""

    batching: str
    padding: float | None
    bounds: tuple[int, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class Balance:
    """How many there are of each class; ``weights`` as ``balanced`` has them, None where a class has none."""

    classes: Classes
    counts: tuple[int, ...]
    of: int
    """Of how many: labels where each has one, else examples."""

    @property
    def shares(self) -> list[float]:
        """Of each class."""
        return [count / self.of if self.of else 0.0 for count in self.counts]

    @property
    def weights(self) -> list[float | None]:
        """``all / (classes * those of a class)``, as scikit-learn has it."""
        return [self.of / (len(self.counts) * count) if count else None for count in self.counts]


@dataclass(frozen=True)
class Duplicates:
    """Evaluation records that are among the training records; ``what`` names them.

    ``loose`` are those that are so only in lower case and with one space for all white space, None where nothing is
    text; ``relabelled`` those of either that have another label there. ``first`` names some: the evaluation record,
    and the training record.
    """

    what: str
    exact: int
    loose: int | None
    relabelled: int
    evaluation: tuple[int, int]
    """Looked at, and of how many."""
    training: tuple[int, int]
    first: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Inspection:
    """All that was found in a part of a spec's data."""

    spec: str
    task: str
    data: str
    split: Split
    source: str
    notes: tuple[str, ...]
    examples: int
    looked_at: int
    legend: str
    shown: tuple[ShownExample, ...]
    lengths: tuple[Lengths, ...]
    waste: tuple[Waste, ...]
    balance: Balance | None
    duplicates: Duplicates | None
    why_no_duplicates: str = ""
