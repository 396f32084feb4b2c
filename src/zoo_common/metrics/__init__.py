"""Metrics over a whole evaluation, computed from outputs and labels. One file a kind."""

from __future__ import annotations

from zoo_common.metrics import accuracy, binary, classes, correlation, overlap, span
from zoo_common.metrics.base import Counter, metric_kinds, open_metric

__all__ = [
    "Counter",
    "accuracy",
    "binary",
    "classes",
    "correlation",
    "metric_kinds",
    "open_metric",
    "overlap",
    "span",
]
