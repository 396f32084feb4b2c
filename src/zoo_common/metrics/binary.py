"""Metrics of labels that are 0 or 1, each with a logit of its own; one above 0 says 1."""

from __future__ import annotations

import numpy as np

from zoo_common.backend import Batch
from zoo_common.metrics.base import Float64, open_metric, ratio, weights_of
from zoo_spec.tasks import metrics as specs


class _Binary:
    """Weighted true and false positives and negatives."""

    def __init__(self, metric: specs.Metric) -> None:
        self.metric = metric
        self.sums: Float64 = np.zeros((2, 2))
        """By label, then by what the logit says."""

    def add(self, batch: Batch, outputs: Batch) -> None:
        """Count a batch."""
        labels = np.asarray(batch[self.metric.labels]) == 1
        says = np.asarray(outputs[self.metric.logits], np.float64) > 0
        weights = weights_of(self.metric, batch, labels.shape)
        self.sums += np.bincount((2 * labels + says).ravel(), weights.ravel(), 4).reshape(2, 2)


class BinaryAccuracy(_Binary):
    """The share of labels that the logits have right."""

    @property
    def value(self) -> float:
        """Right ones over all; 0 before anything was counted."""
        return ratio(np.trace(self.sums), self.sums.sum())


class BinaryF1(_Binary):
    """The harmonic mean of precision and recall of the labels that are 1, counted over all labels together."""

    @property
    def value(self) -> float:
        """``2 TP / (2 TP + FP + FN)``; 0 if nothing is 1."""
        (_, false_positives), (false_negatives, true_positives) = self.sums
        return ratio(2 * true_positives, 2 * true_positives + false_positives + false_negatives)


class BinaryIou(_Binary):
    """Intersection over union of the labels that are 1 and the logits that say so."""

    @property
    def value(self) -> float:
        """``TP / (TP + FP + FN)``; 0 if nothing is 1."""
        (_, false_positives), (false_negatives, true_positives) = self.sums
        return ratio(true_positives, true_positives + false_positives + false_negatives)


@open_metric.register
def _binary_accuracy(metric: specs.BinaryAccuracy) -> BinaryAccuracy:
    return BinaryAccuracy(metric)


@open_metric.register
def _binary_f1(metric: specs.BinaryF1) -> BinaryF1:
    return BinaryF1(metric)


@open_metric.register
def _binary_iou(metric: specs.BinaryIou) -> BinaryIou:
    return BinaryIou(metric)
