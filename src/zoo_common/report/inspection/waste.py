"""How much of a batch is padding under each kind of batching, from the lengths of a spec's own data."""

from __future__ import annotations

from collections.abc import Sequence
from functools import singledispatch

import numpy as np
from numpy.typing import NDArray

from zoo_common.data import Dataset, Wanted
from zoo_common.data.batching import batched
from zoo_common.data.batching.bucketed import BucketedExamples
from zoo_common.data.batching.packed import PackedExamples
from zoo_common.report.inspection.found import Lengths, Waste
from zoo_spec.batching_fit import check_batching
from zoo_spec.data import Batching
from zoo_spec.errors import InputError


def padded(lengths: Sequence[Lengths]) -> Waste:
    """All filled up to the longest that there may be."""
    return Waste("padded", _share([each.real for each in lengths], sum(_full(each) for each in lengths)))


def longest_of_batch(lengths: Sequence[Lengths], batch_size: int) -> Waste:
    """Each batch filled up to its longest example, as many trainers do: the mean over all batches there may be."""
    filled = sum(mean_longest(each.real, batch_size) * len(each.real) for each in lengths)
    return Waste("to the batch's longest", _share([each.real for each in lengths], filled))


def under(batching: Batching, dataset: Dataset, lengths: Sequence[Lengths], wanted: Wanted) -> Waste:
    """What an epoch of batches that are put together so is filled up by; why not, where they cannot be."""
    real = sum(float(each.real.mean()) for each in lengths) * len(dataset)
    spec = wanted.spec
    try:
        said = spec.data.model_copy(update={"batching": batching})
        check_batching(spec.model_copy(update={"data": said}), wanted.graph)
        put = batched(batching, dataset, wanted)
        filled, bounds = filled_up(put, [each.dimension for each in lengths])
    except InputError as error:
        return Waste(batching.kind, None, note=f"cannot be had: {error}")
    return Waste(batching.kind, max(0.0, 1 - real / max(filled, 1)), bounds)


@singledispatch
def filled_up(put: Dataset, dimensions: Sequence[str]) -> tuple[int, tuple[int, ...]]:
    """How much an epoch's batches hold along these dimensions, padding included, and the bounds of their sizes."""
    sizes = put.padding().sizes
    return len(put) * sum(sizes[dimension] for dimension in dimensions), ()


@filled_up.register
def _buckets(put: BucketedExamples, dimensions: Sequence[str]) -> tuple[int, tuple[int, ...]]:
    sizes = put.padding().sizes
    held = [
        len(bucket.examples) * sum(bucket.sizes.get(each, sizes[each]) for each in dimensions)
        for bucket in put.buckets
    ]
    return sum(held), tuple(bucket.bound for bucket in put.buckets)


@filled_up.register
def _rows(put: PackedExamples, dimensions: Sequence[str]) -> tuple[int, tuple[int, ...]]:
    sizes = put.padding().sizes
    return put.rows * sum(sizes[dimension] for dimension in dimensions), ()


def mean_longest(lengths: NDArray[np.int64], batch_size: int) -> float:
    """The longest of ``batch_size`` examples, on average over all ways to draw these from ``lengths [examples]``.

    The n-th shortest is the longest of ``C(n - 1, batch_size - 1)`` of the ``C(examples, batch_size)`` ways.
    """
    count = len(lengths)
    size = min(batch_size, count)
    places = np.arange(size, count)
    # From one to the next shorter: C(n - 2, size - 1) / C(n - 1, size - 1).
    ratios = (places - size + 1) / places
    ways = np.cumprod(np.append(size / count, ratios[::-1]))[::-1]
    return float(np.sort(lengths)[size - 1 :] @ ways)


def _full(lengths: Lengths) -> int:
    return lengths.padding * len(lengths.real)


def _share(real: Sequence[NDArray[np.int64]], filled: float) -> float:
    return 1 - sum(int(each.sum()) for each in real) / max(filled, 1)
