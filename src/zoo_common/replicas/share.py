"""Which rows of a step's batch are whose. A pure function of the batch: replicas ask nobody."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zoo_spec.graph import Graph
from zoo_spec.training import Training

Batch = Mapping[str, NDArray[np.generic]]


@dataclass(frozen=True)
class MicroBatch:
    """Rows that are computed at once, out of one of a step's micro-batches."""

    batch: Batch
    number: int = 0
    """Of the micro-batch among all of its step, whoever computes them, counted from 0."""
    first: int = 0
    """The place of its first row in that micro-batch; dropout is of a row's place."""
    rows: int = -1
    """How many rows that micro-batch has in all; -1: those that are here."""

    @property
    def count(self) -> int:
        """How many rows are here."""
        return len(next(iter(self.batch.values())))

    @property
    def whole(self) -> int:
        """How many rows the micro-batch has in all."""
        return self.count if self.rows < 0 else self.rows


def numbered(micro_batches: Sequence[MicroBatch | Batch]) -> list[MicroBatch]:
    """Each as a ``MicroBatch``; a plain batch is the whole of the one of its place."""
    return [
        each if isinstance(each, MicroBatch) else MicroBatch(each, number)
        for number, each in enumerate(micro_batches)
    ]


def share(batch: Batch, micro_batch_size: int | None, rank: int, size: int) -> list[MicroBatch]:
    """A replica's rows, which follow on those of the one before, by the micro-batches that they are in.

    Of fewer rows than replicas the last have none, and get an empty list.
    """
    count = _count(batch)
    begin, end = _bounds(count, rank, size)
    return [
        _part(batch, number, start, most, max(begin, start), min(end, start + most))
        for number, start, most in _micro_batches(count, micro_batch_size)
        if max(begin, start) < min(end, start + most)
    ]


def share_each(batch: Batch, micro_batch_size: int | None, rank: int, size: int) -> list[MicroBatch]:
    """A replica's rows of every micro-batch, for graphs whose replicas meet inside of each.

    All of them get as many, of which some may have no rows.
    """
    found = []
    for number, start, most in _micro_batches(_count(batch), micro_batch_size):
        begin, end = _bounds(most, rank, size)
        found.append(_part(batch, number, start, most, start + begin, start + end))
    return found


def meets(graph: Graph, training: Training) -> bool:
    """Whether replicas meet within each micro-batch, so that all of them take part in every one."""
    return graph.synchronizes or training.sharding != "none"


def _count(batch: Batch) -> int:
    return len(next(iter(batch.values())))


def _micro_batches(count: int, size: int | None) -> list[tuple[int, int, int]]:
    """Number, first row and rows of each; the last may have fewer."""
    most = size or count
    return [
        (number, start, min(most, count - start)) for number, start in enumerate(range(0, count, most or 1))
    ]


def _bounds(count: int, rank: int, size: int) -> tuple[int, int]:
    return -(-count * rank // size), -(-count * (rank + 1) // size)


def _part(batch: Batch, number: int, start: int, rows: int, begin: int, end: int) -> MicroBatch:
    given = {name: value[begin:end] for name, value in batch.items()}
    return MicroBatch(given, number, begin - start, rows)
