"""Pearson's and Spearman's correlation of predicted and labelled numbers."""

from __future__ import annotations

import numpy as np

from zoo_common.backend import Batch
from zoo_common.metrics.base import Float64, open_metric, weights_of
from zoo_spec.tasks import metrics as specs

_ALIKE = 1e-28
"""Of the mean square: a variance below it is what rounding leaves of values that are all alike."""


class Correlation:
    """Pearson's, of predicted and labelled numbers; means and moments are merged by batch (Chan et al., 1979)."""

    def __init__(self, metric: specs.Metric) -> None:
        self.metric = metric
        self._weight = 0.0
        self._means = np.zeros(2)
        self._moments = np.zeros((2, 2))

    def add(self, batch: Batch, outputs: Batch) -> None:
        """Count a batch."""
        labels = np.asarray(batch[self.metric.labels], np.float64)
        weights = weights_of(self.metric, batch, labels.shape).ravel()
        total = float(weights.sum())
        if total <= 0:
            return
        logits = np.asarray(outputs[self.metric.logits], np.float64)
        pairs = np.stack([logits.ravel(), labels.ravel()])
        means = pairs @ weights / total
        apart = pairs - means[:, None]
        shift, both = means - self._means, self._weight + total
        self._moments += (apart * weights) @ apart.T
        self._moments += np.outer(shift, shift) * (self._weight * total / both)
        self._means += shift * (total / both)
        self._weight = both

    @property
    def value(self) -> float:
        """Between -1 and 1; 0 where the predictions, or the labels, are all alike."""
        moments = np.diag(self._moments)
        if (moments <= _ALIKE * self._weight * self._means**2).any():
            return 0.0
        return float(self._moments[0, 1] / np.sqrt(moments[0]) / np.sqrt(moments[1]))


class Spearman:
    """Pearson's of the ranks; the numbers so far are held, three for each example."""

    def __init__(self, metric: specs.Metric) -> None:
        self.metric = metric
        self._numbers: list[Float64] = []

    def add(self, batch: Batch, outputs: Batch) -> None:
        """Keep a batch."""
        labels = np.asarray(batch[self.metric.labels], np.float64).ravel()
        logits = np.asarray(outputs[self.metric.logits], np.float64).ravel()
        weights = weights_of(self.metric, batch, labels.shape).ravel()
        self._numbers.append(np.stack([logits, labels, weights])[:, weights > 0])

    @property
    def value(self) -> float:
        """Between -1 and 1; 0 where the predictions, or the labels, are all alike."""
        if not self._numbers:
            return 0.0
        logits, labels, weights = np.concatenate(self._numbers, axis=1)
        ranks = Correlation(specs.Metric(self.metric.name, "logits", "labels", "weights"))
        given = {"labels": _ranks(labels, weights), "weights": weights}
        ranks.add(given, {"logits": _ranks(logits, weights)})
        return ranks.value if np.isfinite(logits).all() else float("nan")


def _ranks(values: Float64, weights: Float64) -> Float64:
    """How much weight lies below each value, and half of that which is alike."""
    _, which = np.unique(values, return_inverse=True)
    alike = np.bincount(which, weights)
    return np.asarray((np.cumsum(alike) - alike / 2)[which])


@open_metric.register
def _spearman(metric: specs.Spearman) -> Spearman:
    return Spearman(metric)


@open_metric.register
def _correlation(metric: specs.Correlation) -> Correlation:
    return Correlation(metric)
