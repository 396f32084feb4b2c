"""Batches whose rows hold several examples each, by a plan that is made once of all lengths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from zoo_common.data.base import DataDescription, Dataset, EpochIndex, Example, Padding
from zoo_common.data.batching.batched import batched
from zoo_common.data.batching.regrouped import Regrouped
from zoo_common.data.batching.row_layout import RowLayout
from zoo_common.data.batching.row_plan import Pattern, histogram, patterns
from zoo_common.data.order import DRAWN_WHOLE, Order, order
from zoo_common.data.reader import Wanted
from zoo_common.log import LOG
from zoo_spec.data import Packed
from zoo_spec.errors import InputError
from zoo_spec.graph import Graph

_SLACK = 1.05
"""By how much rows may have more masked positions, or sentences, than a full row of average examples has."""


class PackedExamples(Regrouped):
    """The same examples, several a row.

    Which lengths stand together is the same in every epoch, and so is the number of rows; which examples of these
    lengths, and the order of the rows, is drawn by (seed, epoch). All are in each epoch once, and any batch can be
    made by itself.
    """

    def __init__(self, examples: Dataset, graph: Graph, most_examples: int | None = None) -> None:
        """InputError for examples that are not told apart by an input that the graph has."""
        super().__init__(examples)
        padding = examples.padding()
        told = [str(dimension) for dimension in graph.row_inputs.examples.values()]
        lacks = [dimension for dimension in told if dimension not in padding.sizes]
        if lacks:
            raise InputError(
                f"data.batching is packed, and the data's examples have no length along {', '.join(lacks)}; set it "
                "to padded"
            )
        dimensions = [*told, *(each for each in padding.sizes if each not in told)]
        lengths = _lengths(examples, padding, dimensions)
        room = _room(lengths, padding, told, dimensions, graph)
        found = histogram(lengths, room)
        self._patterns = patterns(found, room, most_examples)
        self._classes = _Classes(found.classes, self._patterns)
        self.rows = sum(pattern.rows for pattern in self._patterns)
        """Rows of an epoch."""
        self.share = float(lengths[0].sum(dtype=np.int64) / (self.rows * room[0]))
        """Of a row, on average, that is no padding."""
        self._most = max(pattern.examples for pattern in self._patterns)
        sizes = dict(zip(dimensions, map(int, room), strict=True))
        self._layout = RowLayout(graph, padding.within(sizes), self._most)

    def description(self) -> DataDescription:
        """That of the examples, and how full rows are."""
        about = super().description()
        rows = (
            f"packed in {self.rows:,} rows of up to {self._most} examples, which are full by {self.share:.1%}"
        )
        return replace(about, notes=(*about.notes, rows))

    def batch(self, seed: int, step: int, batch_size: int) -> Example:
        """The batch of one training step: rows ``step * batch_size`` onwards, epoch after epoch."""
        epochs, places = np.divmod(np.arange(step * batch_size, (step + 1) * batch_size), self.rows)
        rows = [
            row
            for epoch in map(int, np.unique(epochs))
            for row in self._rows(seed, epoch, places[epochs == epoch])
        ]
        made = iter(self._examples.examples([each for row in rows for each in row]))
        return self._layout.batch([[next(made) for _ in row] for row in rows])

    def epoch_steps(self, batch_size: int) -> int:
        """Batches of an epoch, one at least."""
        return -(-self.rows // batch_size)

    def _rows(self, seed: int, epoch: int, places: NDArray[np.int64]) -> list[list[EpochIndex]]:
        """The examples of the rows that stand at these places of an epoch."""
        numbers = order(seed, "rows", epoch, count=self.rows)[places]
        return [
            [(epoch, index) for index in self._classes.row(int(row), seed, epoch)] for row in numbers.tolist()
        ]


class _Classes:
    """Which examples a row holds: those of a length are handed out in an order of their own, epoch by epoch."""

    def __init__(self, classes: NDArray[np.int16], rows: Sequence[Pattern]) -> None:
        self._patterns = rows
        self._first_rows = np.cumsum([0, *(pattern.rows for pattern in rows)])
        # Examples by class, and where each class begins; of each pattern, how many of its classes went before.
        self._members = np.argsort(classes, kind="stable").astype(np.int32)
        self._begins = np.concatenate([[0], np.cumsum(np.bincount(classes))])
        handed = np.zeros(len(self._begins) - 1, np.int64)
        self._before: list[list[int]] = []
        for pattern in rows:
            self._before.append([int(handed[kind]) for kind, _ in pattern.classes])
            for kind, number in pattern.classes:
                handed[kind] += number * pattern.rows
        self._order = lru_cache(maxsize=2 * len(handed))(self._drawn)

    def row(self, number: int, seed: int, epoch: int) -> list[int]:
        """The examples of a row, by their indices."""
        at = int(np.searchsorted(self._first_rows, number, side="right")) - 1
        pattern, place = self._patterns[at], number - int(self._first_rows[at])
        found: list[int] = []
        for (kind, many), before in zip(pattern.classes, self._before[at], strict=True):
            wanted = before + place * many + np.arange(many)
            found += self._members[self._begins[kind] + self._order(seed, epoch, kind)[wanted]].tolist()
        return found

    def _drawn(self, seed: int, epoch: int, kind: int) -> Order:
        count = int(self._begins[kind + 1] - self._begins[kind])
        # Together the orders that are held hold no more than one of all examples would.
        whole = DRAWN_WHOLE * count // len(self._members)
        return order(seed, "packed", epoch, kind, count=count, whole=max(whole, 64))


def _lengths(examples: Dataset, padding: Padding, dimensions: Sequence[str]) -> list[NDArray[np.int32]]:
    """``[examples]`` for each dimension; where nothing is said, all may be as long as the padding."""
    given = examples.lengths()
    if dimensions[0] not in given:
        LOG.warning(
            f"data.batching is packed, and any example may fill a row of {padding.sizes[dimensions[0]]}, so "
            "that each has a row of its own, as in padded batches"
        )
    full = {name: np.broadcast_to(np.int32(padding.sizes[name]), len(examples)) for name in dimensions}
    return [given.get(name, full[name]) for name in dimensions]


def _room(
    lengths: Sequence[NDArray[np.int32]],
    padding: Padding,
    told: Sequence[str],
    dimensions: Sequence[str],
    graph: Graph,
) -> NDArray[np.int64]:
    """How long a row is: as long as the data's longest example in what the model reads.

    Of what goes along with that, such as masked positions, it has room for as many as a row of average examples has.
    """
    first, *_ = totals = [int(column.sum(dtype=np.int64)) for column in lengths]
    room = []
    for name, total in zip(dimensions, totals, strict=True):
        size = padding.sizes[name]
        if name not in told:
            full = padding.sizes[dimensions[0]] * total / max(1, first)
            bound = graph.bounds[name].maximum if name in graph.bounds else None
            size = max(size, int(np.ceil(_SLACK * full)))
            size = size if bound is None else max(padding.sizes[name], min(size, bound))
        room.append(size)
    return np.array(room, np.int64)


@batched.register
def _packed(batching: Packed, examples: Dataset, wanted: Wanted) -> PackedExamples:
    return PackedExamples(examples, wanted.graph, batching.most_examples)
