"""The share of labels that the logits rank first."""

from __future__ import annotations

import numpy as np

from zoo_common.backend import Batch
from zoo_spec.tasks.base import Metric


class Accuracy:
    """Adds up batch by batch; ``value`` is weighted hits over weights."""

    def __init__(self, metric: Metric) -> None:
        self.metric = metric
        self._hits = 0.0
        self._weights = 0.0

    def add(self, batch: Batch, outputs: Batch) -> None:
        """Count a batch."""
        labels = batch[self.metric.labels]
        hits = np.argmax(outputs[self.metric.logits], axis=-1) == labels
        name = self.metric.weights
        given = None if name is None else batch.get(name)
        weights = np.ones(labels.shape) if given is None else np.asarray(given, np.float64)
        self._hits += float((hits * weights).sum())
        self._weights += float(weights.sum())

    @property
    def value(self) -> float:
        """Hits over weights; 0 before anything was counted."""
        return self._hits / max(self._weights, 1.0)
