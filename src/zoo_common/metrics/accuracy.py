"""The share of labels that the logits rank first."""

from __future__ import annotations

import numpy as np

from zoo_common.backend import Batch
from zoo_common.metrics.base import Float64, open_metric, ratio, weights_of
from zoo_spec.tasks import metrics as specs


class Accuracy:
    """The share, by weight, of labels that the logits rank first; added up batch by batch."""

    def __init__(self, metric: specs.Metric) -> None:
        self.metric = metric
        self.sums: Float64 = np.zeros(2)
        """Of hits, and of weights."""

    def add(self, batch: Batch, outputs: Batch) -> None:
        """Count a batch."""
        labels = batch[self.metric.labels]
        hits = np.argmax(outputs[self.metric.logits], axis=-1) == labels
        weights = weights_of(self.metric, batch, labels.shape)
        self.sums += (hits * weights).sum(), weights.sum()

    @property
    def value(self) -> float:
        """Hits over weights; 0 before anything was counted."""
        return ratio(*self.sums)


@open_metric.register
def _accuracy(metric: specs.Accuracy) -> Accuracy:
    return Accuracy(metric)
