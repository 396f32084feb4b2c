"""Examples of several sources, mixed by weight."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import accumulate
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from zoo_common.data.base import (
    DataDescription,
    Dataset,
    EpochIndex,
    Example,
    Padding,
    Split,
    example_bytes,
)
from zoo_common.data.batching.some import SomeExamples, own_lengths, some
from zoo_common.data.lengths import joined
from zoo_common.data.order import order
from zoo_common.data.reader import Wanted, open_data
from zoo_spec.data import Data, MixtureData, SourceData
from zoo_spec.errors import InputError


class MixedExamples(Dataset):
    """So many of each source in an epoch; all of a source's are seen in turn, over as many epochs as that takes.

    Which of a source's is seen, and as of which epoch of its own, is a function of (seed, epoch, index) alone.
    """

    def __init__(self, parts: Sequence[Dataset], counts: Sequence[int], seed: int) -> None:
        """``counts``: how many of each an epoch has."""
        self._parts, self._seed = list(parts), seed
        self._shares = list(counts)
        self._ends = list(accumulate(self._shares))

    def __len__(self) -> int:
        return self._ends[-1]

    def example(self, epoch: int, index: int) -> Example:
        """One example."""
        return self.examples([(epoch, index)])[0]

    def examples(self, wanted: Sequence[EpochIndex]) -> list[Example]:
        """Several, those of a source at once."""
        places = [self._place(*each) for each in wanted]
        found: dict[int, Example] = {}
        for number, part in enumerate(self._parts):
            own = [row for row, (of, _) in enumerate(places) if of == number]
            if own:
                found |= zip(own, part.examples([places[row][1] for row in own]), strict=True)
        return [found[row] for row in range(len(places))]

    def padding(self) -> Padding:
        """To the largest of the sources' sizes."""
        return wider([part.padding() for part in self._parts])

    def lengths(self) -> Mapping[str, NDArray[np.int32]]:
        """Of each place in an epoch, the longest of its source: which of these is seen there differs by epoch."""
        return joined(self._parts, self._shares)

    def description(self) -> DataDescription:
        """All sources, with what is seen of each."""
        return _described(self, self._parts, self._shares)

    def why_weightless(self) -> str:
        """As the first source that says something."""
        return next(filter(None, (part.why_weightless() for part in self._parts)), "")

    def lengths_of_sources(self) -> dict[str, NDArray[np.int32]]:
        """Those of all sources' examples, one source after the other."""
        return joined(self._parts)

    def some(self, numbers: NDArray[np.int32]) -> MixedExamples:
        """A mixture of these of the sources' examples, numbered so, of each source in the proportion of its own."""
        parts: list[Dataset] = []
        counts: list[int] = []
        begin = 0
        for part, share in zip(self._parts, self._shares, strict=True):
            first, last = np.searchsorted(numbers, [begin, begin + len(part)])
            if last > first:
                parts.append(SomeExamples(part, numbers[first:last] - np.int32(begin)))
                counts.append(max(1, round(share * int(last - first) / len(part))))
            begin += len(part)
        return MixedExamples(parts, counts, self._seed)

    def _place(self, epoch: int, index: int) -> tuple[int, EpochIndex]:
        """The source, and its epoch and index there."""
        number = bisect_right(self._ends, index)
        share, begin = self._shares[number], self._ends[number] - self._shares[number]
        count = len(self._parts[number])
        own, place = divmod(epoch * share + index - begin, count)
        return number, (own, order(self._seed, "mixture", number, own, count=count)[place])


class AllExamples(Dataset):
    """The examples of several sources, one source after the other."""

    def __init__(self, parts: Sequence[Dataset]) -> None:
        self.parts = list(parts)
        """The examples of each source."""
        self._ends = list(accumulate(map(len, parts)))

    def __len__(self) -> int:
        return self._ends[-1]

    def example(self, epoch: int, index: int) -> Example:
        """One example."""
        part, place = self.located(index)
        return part.example(epoch, place)

    def located(self, index: int) -> tuple[Dataset, int]:
        """Of which source an example is, and its number there."""
        number = bisect_right(self._ends, index)
        part = self.parts[number]
        return part, index - self._ends[number] + len(part)

    def padding(self) -> Padding:
        """To the largest of the sources' sizes."""
        return wider([part.padding() for part in self.parts])

    def lengths(self) -> Mapping[str, NDArray[np.int32]]:
        """Those of all sources."""
        return joined(self.parts)

    def description(self) -> DataDescription:
        """All sources."""
        return _described(self, self.parts, [len(part) for part in self.parts])


def mixed(parts: Sequence[Dataset], weights: Sequence[float], seed: int) -> MixedExamples:
    """As many examples an epoch as all parts have together, of each in proportion to its weight."""
    return MixedExamples(parts, shares(sum(map(len, parts)), weights), seed)


@own_lengths.register
def _lengths(examples: MixedExamples) -> Mapping[str, NDArray[np.int32]]:
    return examples.lengths_of_sources()


@some.register
def _some(examples: MixedExamples, numbers: NDArray[np.int32]) -> Dataset:
    return examples.some(numbers)


def shares(count: int, weights: Sequence[float]) -> list[int]:
    """How many of so many examples are of each source: in proportion, one at least, the largest rests rounded up."""
    exact = np.asarray(weights) * (count / sum(weights))
    found = np.maximum(np.floor(exact), 1).astype(int)
    for number in np.argsort(np.floor(exact) - exact, kind="stable")[: max(count - int(found.sum()), 0)]:
        found[number] += 1
    return [int(each) for each in found]


def wider(paddings: Sequence[Padding]) -> Padding:
    """To the largest size of each input; raises InputError where sources fill an input up with different values."""
    dimensions: dict[str, str] = {}
    sizes: dict[str, int] = {}
    values: dict[str, int] = {}
    for padding in paddings:
        for dimension, size in padding.sizes.items():
            sizes[dimension] = max(sizes.get(dimension, size), size)
        for name, dimension in padding.dimensions.items():
            dimensions[name] = dimension
            value = padding.values.get(name, 0)
            if values.setdefault(name, value) != value:
                raise InputError(f"the sources of the mixture fill {name} up with {values[name]} and {value}")
    return Padding(dimensions, sizes, values)


def _described(examples: Dataset, parts: Sequence[Dataset], counts: Sequence[int]) -> DataDescription:
    abouts = [part.description() for part in parts]
    notes = [
        f"{count:,} an epoch of the {len(part):,} of {about.source}"
        for part, about, count in zip(parts, abouts, counts, strict=True)
    ]
    return replace(
        abouts[0],
        source="; ".join(about.source for about in abouts),
        samples=len(examples),
        source_bytes=sum(about.source_bytes for about in abouts),
        bytes_per_sample=example_bytes(examples),
        notes=(*notes, *abouts[0].notes),
        libraries=tuple(dict.fromkeys(name for about in abouts for name in about.libraries)),
    )


@open_data.register
def _open(data: MixtureData, wanted: Wanted) -> Dataset:
    if wanted.run_dir is not None:
        return _opened(data, wanted)
    with TemporaryDirectory(prefix="zoo-") as directory:  # It keeps the tokenizer for the other sources.
        return _opened(data, replace(wanted, run_dir=Path(directory)))


def _opened(data: MixtureData, wanted: Wanted) -> Dataset:
    """The first source is opened first: it decides on the tokenizer and on what labels are called."""
    parts = [open_data(each.spec.data, each) for each in parts_of(wanted)]
    if wanted.split == "eval":
        return AllExamples(parts)
    return mixed(parts, [source.weight for source in data.sources], wanted.seed)


def parts_of(wanted: Wanted) -> list[Wanted]:
    """What is wanted of each source of a mixture; of other data it is that."""
    data = wanted.spec.data
    if not isinstance(data, MixtureData):
        return [wanted]
    return [_of(wanted, place, each) for place, each in sources_of(data, wanted.split).items()]


def sources_of(data: MixtureData, split: Split) -> dict[str, Data]:
    """What one part of a mixture is made of, by where a run keeps what is made of each."""
    found = [source.data for source in data.sources]
    if data.evaluation is None:
        return _by_place(found)
    if split == "eval" and not isinstance(found[0], SourceData):
        return {"evaluation": data.evaluation}
    update = {"evaluation": data.evaluation}
    found = [each.model_copy(update=update) if isinstance(each, SourceData) else each for each in found]
    return _by_place(found[:1] if split == "eval" else found)


def _by_place(found: Sequence[Data]) -> dict[str, Data]:
    return {f"source_{number}": data for number, data in enumerate(found)}


def _of(wanted: Wanted, place: str, data: Data) -> Wanted:
    spec = wanted.spec.model_copy(update={"data": data})
    return replace(wanted, spec=spec, part=f"{wanted.part}/{place}" if wanted.part else place)
