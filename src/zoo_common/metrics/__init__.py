"""Metrics over a whole evaluation, computed from outputs and labels. One file a kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from zoo_common.metrics.accuracy import Accuracy
from zoo_common.metrics.base import Counter
from zoo_common.metrics.binary import BinaryAccuracy, BinaryF1, BinaryIou
from zoo_common.metrics.correlation import Correlation
from zoo_common.metrics.overlap import MeanDice, MeanIou
from zoo_common.metrics.span import SpanExactMatch, SpanF1
from zoo_spec.tasks.base import Metric, MetricKind

__all__ = ["COUNTERS", "Counter", "open_metric"]

COUNTERS: Mapping[MetricKind, Callable[[Metric], Counter]] = {
    "accuracy": Accuracy,
    "binary_accuracy": BinaryAccuracy,
    "binary_f1": BinaryF1,
    "binary_iou": BinaryIou,
    "correlation": Correlation,
    "mean_dice": MeanDice,
    "mean_iou": MeanIou,
    "span_exact_match": SpanExactMatch,
    "span_f1": SpanF1,
}
"""What computes each kind of metric."""


def open_metric(metric: Metric) -> Counter:
    """A counter at zero for what a task declares."""
    return COUNTERS[metric.kind](metric)
