"""How far what is predicted of each class overlaps with what is labelled so, over a whole evaluation."""

from __future__ import annotations

import numpy as np

from zoo_common.backend import Batch
from zoo_common.metrics.base import Float64, open_metric, weights_of
from zoo_spec.tasks import metrics as specs


class _Overlap:
    """Weighted counts ``[classes, classes]``: by label, then by what the logits rank first."""

    def __init__(self, metric: specs.Metric) -> None:
        self.metric = metric
        self.sums: Float64 = np.zeros((0, 0))

    def add(self, batch: Batch, outputs: Batch) -> None:
        """Count a batch."""
        logits = outputs[self.metric.logits]
        classes = logits.shape[-1]
        labels = np.asarray(batch[self.metric.labels], np.int64)
        weights = weights_of(self.metric, batch, labels.shape)
        cells = (labels * classes + np.argmax(logits, axis=-1)).ravel()
        counts = np.bincount(cells, weights.ravel(), classes * classes)
        found = np.asarray(counts.reshape(classes, classes), np.float64)
        self.sums = self.sums + found if self.sums.size else found

    def _mean(self, *, twice: bool) -> float:
        """The mean of overlap over union, or, ``twice``, of twice the overlap over the sum of both.

        Over the classes that are labelled or predicted anywhere; 0 before anything was counted.
        """
        if not self.sums.size:
            return 0.0
        shared = np.diag(self.sums)
        both = self.sums.sum(axis=0) + self.sums.sum(axis=1)
        occurs = both > 0
        ratios = 2 * shared[occurs] / both[occurs] if twice else shared[occurs] / (both - shared)[occurs]
        return float(ratios.mean()) if occurs.any() else 0.0


class MeanIou(_Overlap):
    """Intersection over union, the mean over classes."""

    @property
    def value(self) -> float:
        """Between 0 and 1."""
        return self._mean(twice=False)


class MeanDice(_Overlap):
    """Twice the intersection over the sum of both, the mean over classes."""

    @property
    def value(self) -> float:
        """Between 0 and 1."""
        return self._mean(twice=True)


@open_metric.register
def _mean_iou(metric: specs.MeanIou) -> MeanIou:
    return MeanIou(metric)


@open_metric.register
def _mean_dice(metric: specs.MeanDice) -> MeanDice:
    return MeanDice(metric)
