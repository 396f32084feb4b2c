"""What a data set is, and how its examples become batches.

Every example is a pure function of (seed, epoch, index), so an order of batches can be entered at any step,
by any number of workers, in either framework, with the same result.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from zoo_common.data.maps import let_go_after
from zoo_common.data.order import order
from zoo_spec.errors import InputError
from zoo_spec.tensors import Windows

Array = NDArray[np.int32 | np.float32]
Example = dict[str, Array]
EpochIndex = tuple[int, int]
"""Epoch and index."""

Split = Literal["train", "eval"]
SPLITS: tuple[Split, ...] = ("train", "eval")


@dataclass(frozen=True)
class DataDescription:
    """What ``zoo describe`` says of the data.

    ``source_bytes`` is what is read from disk or memory; ``total_bytes`` what an epoch feeds to a model,
    ``samples`` times ``bytes_per_sample``. ``libraries`` are those that reading it imports.
    """

    source: str
    samples: int
    source_bytes: int
    bytes_per_sample: int
    readable: bool = True
    notes: tuple[str, ...] = ()
    libraries: tuple[str, ...] = ("numpy",)

    @property
    def total_bytes(self) -> int:
        """Bytes fed to a model in an epoch."""
        return self.samples * self.bytes_per_sample


@dataclass(frozen=True)
class Padding:
    """How examples of different sizes become a batch: filled up at their ends.

    ``dimensions`` names the one along which an input is filled up, by input; one that is not named has the same size
    in all examples. ``sizes`` is how long each dimension becomes, unless a batch says less; one that follows from
    another (``Windows``) has no size of its own. ``values`` is what inputs are filled up with, 0 where nothing is
    said.
    """

    dimensions: Mapping[str, str] = field(default_factory=dict)
    sizes: Mapping[str, int] = field(default_factory=dict)
    values: Mapping[str, int] = field(default_factory=dict)

    def size(self, name: str) -> int | None:
        """How long an input becomes; None for one that is not filled up."""
        dimension = self.dimensions.get(name)
        if isinstance(dimension, Windows):
            return dimension.fitting(self.sizes[dimension.source])
        return None if dimension is None else self.sizes[dimension]

    def within(self, sizes: Mapping[str, int]) -> Padding:
        """The same, to these sizes where they are said."""
        return replace(self, sizes={**self.sizes, **sizes})


class Dataset(Protocol):
    """Examples by epoch and index."""

    def __len__(self) -> int:
        """Examples in an epoch; the same in every epoch."""

    def example(self, epoch: int, index: int) -> Example:
        """One example, without a batch dimension and without padding."""

    def padding(self) -> Padding:
        """To which sizes examples are filled up in a batch; nothing where all have the same."""
        return Padding()

    def lengths(self) -> Mapping[str, NDArray[np.int32]]:
        """How long each example is at most, whatever the epoch: ``[examples]`` by dimension of ``padding``.

        A dimension in which all may be as long as the padding is left out. Asked for once, it may read all data.
        """
        return {}

    def batch(self, seed: int, step: int, batch_size: int) -> Example:
        """The batch of one training step: examples ``step * batch_size`` onwards, epoch after epoch.

        Each epoch has an order of its own, drawn by (seed, epoch); a batch may span two epochs.
        """
        count = len(self)
        epochs, places = np.divmod(np.arange(step * batch_size, (step + 1) * batch_size), count)
        wanted: list[EpochIndex] = []
        for epoch in map(int, np.unique(epochs)):
            found = order(seed, "order", epoch, count=count)[places[epochs == epoch]]
            wanted += [(epoch, int(index)) for index in found]
        return stack(self.examples(wanted), self.padding())

    def epoch_steps(self, batch_size: int) -> int:
        """Steps until all examples were seen once, rounded up where the batches of an epoch differ in number."""
        return -(-len(self) // batch_size)

    def examples(self, wanted: Sequence[EpochIndex]) -> list[Example]:
        """What ``example`` gives for each of the wanted; a data set may have a cheaper way for many at once."""
        return [self.example(*each) for each in wanted]

    def description(self) -> DataDescription:
        """Where the examples come from and how large they are."""

    def why_weightless(self) -> str:
        """What it may come from, and the remedy, if no label of many examples has a weight; nothing if unknown."""
        return ""


def batch(dataset: Dataset, seed: int, step: int, batch_size: int) -> Example:
    """The batch of one training step, put together as the data set says; a function of these arguments alone."""
    found = dataset.batch(seed, step, batch_size)
    let_go_after(batch_size)
    return found


def stack(rows: Sequence[Example], padding: Padding) -> Example:
    """Examples as one batch, ``[batch, …]``, filled up to one size."""
    return {name: _stacked([row[name] for row in rows], name, padding) for name in rows[0]}


def _stacked(values: list[Array], name: str, padding: Padding) -> Array:
    size = padding.size(name)
    if size is None:
        return np.stack(values)
    filled = np.full((len(values), size, *values[0].shape[1:]), padding.values.get(name, 0), values[0].dtype)
    for row, value in zip(filled, values, strict=True):
        row[: len(value)] = value
    return filled


def snug(rows: Sequence[Example], padding: Padding, least: Mapping[str, int]) -> Padding:
    """The same, to no more than the longest of these rows, or the ``least`` that a dimension may be."""
    sizes = {name: least.get(name, 1) for name in padding.sizes}
    for name, dimension in padding.dimensions.items():
        if dimension in sizes:
            sizes[dimension] = max([sizes[dimension], *(len(row[name]) for row in rows if name in row)])
    return padding.within(sizes)


def evaluation_batches(
    dataset: Dataset,
    batch_size: int,
    weights: Collection[str] = (),
    *,
    least: Mapping[str, int] | None = None,
    numbers: Iterable[int] | None = None,
) -> Iterator[Example]:
    """Every example of epoch 0 once, in order.

    ``weights`` are the inputs that weigh all labels, none if some have no weights: the last batch is then
    smaller, else it is filled up with copies of its first row whose weights are all 0. With ``least`` sizes a batch
    is filled up to its own longest example, or to these; without, as far as there may be any. ``numbers`` are the
    batches to give, counted from 0: all of them.
    """
    count = len(dataset)
    for number in range(-(-count // batch_size)) if numbers is None else numbers:
        start = number * batch_size
        rows = dataset.examples([(0, index) for index in range(start, min(start + batch_size, count))])
        missing = batch_size - len(rows)
        if missing and weights and rows[0].keys() >= set(weights):
            row = rows[0]
            unseen = {name: np.zeros_like(value) if name in weights else value for name, value in row.items()}
            rows += [unseen] * missing
        padding = dataset.padding()
        let_go_after(batch_size)
        yield stack(rows, padding if least is None else snug(rows, padding, least))


def described(dataset: Dataset, about: DataDescription) -> DataDescription:
    """What is known of the source, with the number of examples that were made of it and their size."""
    return replace(about, samples=len(dataset), bytes_per_sample=example_bytes(dataset))


def example_bytes(dataset: Dataset) -> int:
    """Size of one example as it is fed, padding included."""
    return sum(value.nbytes for value in stack([dataset.example(0, 0)], dataset.padding()).values())


def check_range(values: NDArray[np.integer], limit: int, what: str, example: int, remedy: str) -> None:
    """Raise an InputError unless all ids are in [0, limit); ``example`` is what the message names."""
    if values.size and (int(values.min()) < 0 or int(values.max()) >= limit):
        wrong = int(values[(values < 0) | (values >= limit)].flat[0])
        raise InputError(
            f"{what} {wrong} of example {example} is out of range: ids run from 0 to {limit - 1}; {remedy}"
        )
