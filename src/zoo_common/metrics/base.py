"""What a metric is while an evaluation runs: it adds up batch by batch, and gives one number in the end.

What counts a kind of metric is registered on its class, ``@open_metric.register``, as a plugin does with its own.
"""

from __future__ import annotations

from functools import singledispatch
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from zoo_common.backend import Batch
from zoo_spec.errors import EnvironmentFault
from zoo_spec.tasks.metrics import Metric

Float64 = NDArray[np.float64]


class Counter(Protocol):
    """A metric over the batches so far."""

    metric: Metric

    def add(self, batch: Batch, outputs: Batch) -> None:
        """Count a batch."""

    @property
    def value(self) -> float:
        """The number; 0 before anything was counted."""


@runtime_checkable
class Adds(Counter, Protocol):
    """One whose numbers over batches apart add up to those over all of them."""

    sums: Float64
    """What it has counted; of no size before it has counted anything, where its shape is not known by then."""


@singledispatch
def open_metric(metric: Metric) -> Counter:
    """A counter at zero for what a task declares; EnvironmentFault for a kind that nobody has registered."""
    raise EnvironmentFault(
        f"nothing counts the metric {metric.name!r}, of kind {metric.kind!r}: whoever brings it registers that with "
        "zoo_common.metrics.open_metric"
    )


def ratio(part: float, whole: float) -> float:
    """``part / whole``; 0 where nothing was counted. NaN stays NaN."""
    return float(part / whole) if whole else 0.0


def weights_of(metric: Metric, batch: Batch, shape: tuple[int, ...]) -> Float64:
    """The metric's weights of a batch; ones where it has none, or the batch leaves them out.

    0 are places of packed rows that have no example.
    """
    given = None if metric.weights is None else batch.get(metric.weights)
    if metric.counted is not None and metric.counted in batch and len(shape) > 1:
        given = np.asarray(batch[metric.counted], np.float64) > 0
    return np.ones(shape) if given is None else np.asarray(given, np.float64)
