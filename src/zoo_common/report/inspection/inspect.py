"""A spec's data opened, and looked at: some examples whole, more of them for their sizes and labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from zoo_common.data import Dataset, Wanted, open_dataset
from zoo_common.data.base import SPLITS, Example, Split, example_bytes
from zoo_common.data.mixture import parts_of
from zoo_common.data.preparation import from_prepared
from zoo_common.report.inspection.duplicates import find_duplicates
from zoo_common.report.inspection.found import (
    Balance,
    Duplicates,
    Inspection,
    Lengths,
    ShownExample,
    Waste,
)
from zoo_common.report.inspection.views import Classes, Looked, View, open_view
from zoo_common.report.inspection.waste import longest_of_batch, padded, under
from zoo_spec.data import Batching, Bucketed, Packed, Padded, SourceData
from zoo_spec.errors import InputError
from zoo_spec.experiment import ExperimentSpec
from zoo_spec.random import Stream

_MOST, _MOST_BYTES, _AT_ONCE = 10_000, 256 << 20, 64
"""Examples that are made to be measured, bytes of them about, and how many are made at once."""
_LONG = ("input_ids", "decoder_input_ids", "waveform")
"""The inputs whose lengths are what examples weigh."""


def inspect_data(
    spec: ExperimentSpec, run_dir: Path | None, split: Split, *, examples: int = 3, duplicates: bool = True
) -> Inspection:
    """What is in a part of a spec's data. Of large data some is looked at, from everywhere, and it is told how much.

    With ``run_dir`` the tokenizer and the names of labels are that run's. Errors as of ``open_dataset``.
    """
    graph = spec.graph()
    with _directory(run_dir) as directory:
        plain = spec.model_copy(update={"data": spec.data.model_copy(update={"batching": Padded()})})
        dataset = open_dataset(plain, directory, split, graph)
        wanted = Wanted(plain, graph, split, directory)
        looked = Looked(spec, graph, directory)
        view = open_view(spec.task, looked)
        seen = _Seen(dataset, view, spec.training.seed)
        shown = [_shown(dataset, view, index) for index in seen.first(examples)]
        with from_prepared(wanted) as of_it:
            found, why = _duplicates(of_it) if duplicates else (None, "not looked for")
        about = dataset.description()
        return Inspection(
            spec.name,
            spec.task.kind,
            spec.data.kind,
            split,
            about.source,
            about.notes,
            len(dataset),
            len(seen.indices),
            view.legend,
            tuple(shown),
            seen.lengths,
            _waste(seen.lengths, dataset, wanted, spec.data.batching),
            seen.balance,
            found,
            why,
        )


@contextmanager
def _directory(run_dir: Path | None) -> Iterator[Path]:
    if run_dir is not None:
        yield run_dir
        return
    with TemporaryDirectory(prefix="zoo-") as directory:
        yield Path(directory)


class _Seen:
    """Examples from everywhere in the data, each made once, for their sizes and labels."""

    def __init__(self, dataset: Dataset, view: View, seed: int) -> None:
        self.indices = _some(len(dataset), example_bytes(dataset), seed)
        self._padding = dataset.padding()
        self._real: dict[str, list[int]] = {}
        self._counts: Counter[int] = Counter()
        self._with_labels = 0
        for start in range(0, len(self.indices), _AT_ONCE):
            wanted = [(0, int(index)) for index in self.indices[start : start + _AT_ONCE]]
            for example in dataset.examples(wanted):
                self._measure(example)
                if view.classes is not None:
                    self._count(view.labels(example), view.classes)
        self.lengths = tuple(
            Lengths(dimension, self._padding.sizes[dimension], np.asarray(real, np.int64))
            for dimension, real in self._real.items()
        )
        self.balance = self._balance(view.classes)

    def first(self, count: int) -> list[int]:
        """Some of them, from everywhere."""
        places = np.linspace(0, len(self.indices) - 1, count).astype(int)
        return [int(each) for each in np.unique(self.indices[places])]

    def _measure(self, example: Example) -> None:
        for name in _LONG:
            dimension = self._padding.dimensions.get(name)
            if dimension is not None and name in example:
                self._real.setdefault(dimension, []).append(len(example[name]))

    def _count(self, labels: NDArray[np.integer], classes: Classes) -> None:
        self._counts.update(dict(enumerate(np.bincount(labels.astype(np.int64)).tolist())))
        self._with_labels += len(labels) if classes.exclusive else 1

    def _balance(self, classes: Classes | None) -> Balance | None:
        if classes is None or not self._with_labels:
            return None
        most = max(len(classes.names), 1 + max((label for label, n in self._counts.items() if n), default=0))
        return Balance(classes, tuple(self._counts[label] for label in range(most)), self._with_labels)


def _some(count: int, size: int, seed: int) -> NDArray[np.int64]:
    """The numbers of all examples, or of some: one drawn of each of equal parts."""
    wanted = min(count, _MOST, max(_AT_ONCE, _MOST_BYTES // max(size, 1)))
    if wanted == count:
        return np.arange(count, dtype=np.int64)
    drawn = np.arange(wanted) + Stream(seed, "inspected").uniforms(wanted)
    return (drawn * (count / wanted)).astype(np.int64)


def _shown(dataset: Dataset, view: View, index: int) -> ShownExample:
    example = dataset.example(0, index)
    return ShownExample(index, tuple(view.rows(example)), example)


def _waste(
    lengths: tuple[Lengths, ...], dataset: Dataset, wanted: Wanted, own: Batching
) -> tuple[Waste, ...]:
    """Under each kind of batching, and under the spec's own where that is none of these as they are by default."""
    if not lengths:
        return ()
    found = [padded(lengths), longest_of_batch(lengths, wanted.spec.training.batch_size)]
    found += [under(batching, dataset, lengths, wanted) for batching in (Bucketed(), Packed())]
    if own not in (Padded(), Bucketed(), Packed()):
        found.append(replace(under(own, dataset, lengths, wanted), batching=f"{own.kind}, as the spec says"))
    return tuple(found)


def _duplicates(wanted: Wanted) -> tuple[Duplicates | None, str]:
    """What is in both parts, or why that is not known."""
    data = wanted.spec.data
    if data.drawn:
        return None, f"{data.drawn}: no part holds another's"
    sources = [part.spec.data for split in SPLITS for part in parts_of(replace(wanted, split=split))]
    other = next((each for each in sources if not isinstance(each, SourceData)), None)
    if other is not None:
        return None, f"data of kind {other.kind!r} has no records that could be compared"
    image = wanted.graph.inputs.get("image")
    channels = image.shape[-1] if image is not None else 1
    try:
        found = find_duplicates(wanted, channels if isinstance(channels, int) else 1)
    except InputError as error:
        return None, str(error)
    return found, "" if found is not None else f"records of kind {data.kind!r} cannot be told apart"
