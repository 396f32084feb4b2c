"""How much of a batch is padding under each kind of batching, from the lengths of a spec's own data."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from zoo_common.report.inspection.found import Lengths, Waste


def padded(lengths: Sequence[Lengths]) -> Waste:
    """All filled up to the longest that there may be."""
    return Waste("padded", _share([each.real for each in lengths], sum(_full(each) for each in lengths)))


def longest_of_batch(lengths: Sequence[Lengths], batch_size: int) -> Waste:
    """Each batch filled up to its longest example, as many trainers do: the mean over all batches there may be."""
    filled = sum(mean_longest(each.real, batch_size) * len(each.real) for each in lengths)
    return Waste("to the batch's longest", _share([each.real for each in lengths], filled))


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
