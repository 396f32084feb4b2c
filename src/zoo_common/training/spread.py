"""An evaluation's batches shared out among replicas: each runs its own, and what they count is put together.

All of them run the model equally often, for a model that is divided over them needs all for every batch: where the
last round has fewer batches than there are replicas, the rest run one of them again, and count nothing.
"""

from __future__ import annotations

import io
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TypeAlias

import numpy as np

from zoo_common.backend import Array, Batch
from zoo_common.metrics.base import Adds, Float64
from zoo_common.replicas import Replicas

Turn: TypeAlias = tuple[Batch, bool]
"""A batch to run, and whether it counts here."""


def numbers_of(count: int, replicas: Replicas) -> list[tuple[int, bool]]:
    """Which of ``count`` batches are this replica's to run, and whether they count."""
    rounds = range(0, count, replicas.size)
    return [
        (first + replicas.rank, True) if first + replicas.rank < count else (first, False) for first in rounds
    ]


def in_turn(batches: Iterable[Batch], replicas: Replicas) -> Iterator[Turn]:
    """This replica's of batches that all of them are given."""
    given = iter(batches)
    while found := list(islice(given, replicas.size)):
        counts = replicas.rank < len(found)
        yield found[replicas.rank if counts else 0], counts


def brought(
    replicas: Replicas, turn: Turn, outputs: Batch, wanted: Collection[str]
) -> Iterator[tuple[Batch, Batch]]:
    """On replica 0, in order, the batches of a round with the outputs that are wanted; nothing on the others."""
    batch, counts = turn
    if replicas.size == 1:
        yield batch, outputs
        return
    item = b""
    if counts:
        named = {f"batch/{name}": np.asarray(value) for name, value in batch.items()}
        item = _packed(named | {f"outputs/{name}": np.asarray(outputs[name]) for name in wanted})
    for each in replicas.gather(item):
        if each and replicas.rank == 0:
            found = _unpacked(each)
            yield _part(found, "batch/"), _part(found, "outputs/")


def add_up(replicas: Replicas, totals: dict[str, Float64], metrics: Sequence[Adds]) -> None:
    """Have every replica know what all have counted."""
    if replicas.size == 1:
        return
    own = dict(totals) | {f"/{number}": metric.sums for number, metric in enumerate(metrics)}
    sums: dict[str, Float64] = {}
    for each in map(_unpacked, replicas.gather(_packed(own))):
        for name, value in each.items():
            if value.size:  # A replica that had no batch does not know the shape.
                sums[name] = np.asarray(value, np.float64) + sums.get(name, 0.0)
    for name in totals:
        totals[name] = sums[name]
    for number, metric in enumerate(metrics):
        if f"/{number}" in sums:
            metric.sums = sums[f"/{number}"]


def _part(found: Mapping[str, Array], of: str) -> dict[str, Array]:
    return {name.removeprefix(of): value for name, value in found.items() if name.startswith(of)}


def _packed(arrays: Mapping[str, Array]) -> bytes:
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **arrays)
    return file.getvalue()


def _unpacked(item: bytes) -> dict[str, Array]:
    with np.load(io.BytesIO(item), allow_pickle=False) as found:
        return dict(found)
