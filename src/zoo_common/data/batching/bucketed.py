"""Examples of similar length together in a batch, filled up to the bound of their bucket and no further."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from zoo_common.data.base import DataDescription, Dataset, EpochIndex, Example, stack
from zoo_common.data.batching.batched import batched
from zoo_common.data.batching.bounds import best_bounds, histogram
from zoo_common.data.batching.plan import Plan
from zoo_common.data.batching.regrouped import Regrouped
from zoo_common.data.batching.some import own_lengths, some
from zoo_common.data.order import order
from zoo_common.data.reader import Wanted
from zoo_common.log import LOG
from zoo_spec.batching_fit import where_padding_shows
from zoo_spec.data import Bucketed
from zoo_spec.errors import InputError

Lengths = Mapping[str, NDArray[np.int32]]

UNITS = {"sequence": "tokens", "target_sequence": "tokens of their targets"}
"""What a dimension counts, where it is not called by that."""
_FIRST = ("sequence", "samples", "target_sequence")
"""By the first of these that an example has, its bucket is told."""
_AT_ONCE = 1 << 20


@dataclass(frozen=True)
class Bucket:
    """Examples that go together, and the sizes to which their dimensions are filled up."""

    examples: Dataset
    bound: int
    sizes: Mapping[str, int]


class BucketedExamples(Regrouped):
    """The same examples; a batch has those of one bucket, in an order of its own for each of the bucket's epochs.

    Beside the dimension that a bucket bounds, others are filled up to the least that holds for all of its examples.
    """

    def __init__(self, examples: Dataset, buckets: Sequence[Bucket], batching: Bucketed) -> None:
        super().__init__(examples)
        self._buckets, self._batching = tuple(buckets), batching

    @property
    def buckets(self) -> tuple[Bucket, ...]:
        """From the shortest to the longest."""
        return self._buckets

    def batch(self, seed: int, step: int, batch_size: int) -> Example:
        """That of one step, of one bucket, by a plan that is a closed form of seed and step."""
        counts = tuple(len(bucket.examples) for bucket in self._buckets)
        chosen, number = _plan(counts, self.rows(batch_size)).at(seed, step)
        bucket, rows = self._buckets[chosen], self.rows(batch_size)[chosen]
        epochs, places = np.divmod(np.arange(number * rows, (number + 1) * rows), counts[chosen])
        wanted: list[EpochIndex] = []
        for epoch in map(int, np.unique(epochs)):
            found = order(seed, "bucket", chosen, epoch, count=counts[chosen])[places[epochs == epoch]]
            wanted += [(epoch, int(index)) for index in found]
        return stack(bucket.examples.examples(wanted), self.padding().within(bucket.sizes))

    def epoch_steps(self, batch_size: int) -> int:
        """Batches of an epoch, one at least."""
        counts = tuple(len(bucket.examples) for bucket in self._buckets)
        return max(1, _plan(counts, self.rows(batch_size)).steps(1))

    def rows(self, batch_size: int) -> tuple[int, ...]:
        """Of a batch of each bucket."""
        return tuple(self._batching.rows(bucket.bound, batch_size) for bucket in self._buckets)

    def description(self) -> DataDescription:
        """That of the examples, and their bounds."""
        about = super().description()
        bounds = ", ".join(f"{bucket.bound:,}" for bucket in self._buckets)
        return replace(
            about, notes=(*about.notes, f"batches of {len(self._buckets)} bucket(s), up to {bounds}")
        )


def by_length(examples: Dataset) -> Dataset:
    """The same examples, the longest first; as they are where their lengths are not known."""
    lengths = own_lengths(examples)
    dimension = _told_by(lengths)
    if dimension is None:
        return examples
    return some(examples, np.argsort(-lengths[dimension], kind="stable").astype(np.int32))


def _told_by(lengths: Lengths) -> str | None:
    """The dimension by which an example's bucket is told; None where all examples are of one size."""
    return next((name for name in _FIRST if name in lengths), next(iter(lengths), None))


@lru_cache(maxsize=8)
def _plan(counts: tuple[int, ...], rows: tuple[int, ...]) -> Plan:
    return Plan(counts, rows)


@batched.register
def _bucketed(batching: Bucketed, examples: Dataset, wanted: Wanted) -> BucketedExamples:
    lengths = own_lengths(examples)
    dimension = _told_by(lengths)
    if dimension is None:
        raise InputError(
            f"data of kind {wanted.spec.data.kind!r} has examples of one size, so that buckets have nothing to tell "
            "them by; set data.batching to padded"
        )
    unit = UNITS.get(dimension, dimension)
    counts = histogram(lengths[dimension])
    fitting = _fitting(batching, counts, unit)
    if fitting.sum() < counts.sum():
        kept = _numbers(lengths[dimension], 0, len(fitting) - 1)
        examples = some(examples, kept)
        lengths = {name: values[kept] for name, values in lengths.items()}
    bounds = batching.bounds or best_bounds(fitting, batching.buckets)
    _check_bounds(bounds, fitting, unit)
    if where := where_padding_shows(wanted.graph):
        LOG.warning(
            f"{where} takes its statistics over padding too, as its authors have it: what an example teaches "
            "depends on how far it is filled up, which in a bucket is less than padded"
        )
    least = {name: bound.minimum for name, bound in wanted.graph.bounds.items()}
    return BucketedExamples(examples, _buckets(examples, lengths, dimension, bounds, least), batching)


def _fitting(batching: Bucketed, counts: NDArray[np.int64], unit: str) -> NDArray[np.int64]:
    """How many examples have each length, without those that are too long; says what becomes of these."""
    most = batching.longest
    if most is None or len(counts) - 1 <= most:
        if most is not None and batching.cuts and len(counts) - 1 == most:
            LOG.info(
                f"{counts[most]:,} of {counts.sum():,} examples have {most:,} {unit}, or were cut to that"
            )
        return counts
    field = "tokens" if batching.bounds is None else "bounds"
    longer = int(counts[most + 1 :].sum())
    said = (
        f"{longer:,} of {counts.sum():,} examples have more than {most:,} {unit} (data.batching.{field}), the "
        f"longest {len(counts) - 1:,}"
    )
    if batching.longer != "drop":
        raise InputError(
            f"{said}; raise it, or set data.batching.longer to drop, which leaves them out, or to cut"
            if batching.longer == "refuse"
            else f"{said}, and the data cannot cut them; raise it, or set data.batching.longer to drop"
        )
    if longer == counts.sum():
        raise InputError(f"{said}, and none is left; raise it")
    LOG.warning(f"{said}, and are left out")
    return counts[: most + 1]


def _check_bounds(bounds: Sequence[int], counts: NDArray[np.int64], unit: str) -> None:
    """Raise InputError for a bucket that no example fits."""
    for lower, upper in zip((-1, *bounds), bounds, strict=False):
        if not counts[lower + 1 : upper + 1].any():
            between = f"{max(lower + 1, 0):,} to {upper:,}"
            raise InputError(
                f"data.batching.bounds: no example has {between} {unit}, so that the bucket of {upper:,} is empty "
                f"(the shortest has {int(np.flatnonzero(counts)[0]):,}, the longest {len(counts) - 1:,}); "
                "leave it out"
            )


def _buckets(
    examples: Dataset, lengths: Lengths, dimension: str, bounds: Sequence[int], least: Mapping[str, int]
) -> list[Bucket]:
    """``least`` is what the model needs of each dimension, however short all examples of a bucket are."""
    found = []
    for lower, upper in zip((-1, *bounds), bounds, strict=False):
        numbers = _numbers(lengths[dimension], lower + 1, upper)
        sizes = {name: int(values[numbers].max()) for name, values in lengths.items() if name != dimension}
        sizes = {name: max(size, least.get(name, 1)) for name, size in {dimension: upper, **sizes}.items()}
        found.append(Bucket(some(examples, numbers), sizes[dimension], sizes))
    return found


def _numbers(lengths: NDArray[np.int32], least: int, most: int) -> NDArray[np.int32]:
    """The examples of these lengths, rising; in parts, for all at once are several times as large."""
    parts = []
    for start in range(0, len(lengths), _AT_ONCE):
        own = lengths[start : start + _AT_ONCE]
        parts.append((np.flatnonzero((own >= least) & (own <= most)) + start).astype(np.int32))
    return np.concatenate(parts)
