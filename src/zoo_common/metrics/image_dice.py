"""Dice of each image by itself, as the competition on Severstal's steel counts it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zoo_common.backend import Batch
from zoo_common.metrics.base import Float64, open_metric, ratio, weights_of
from zoo_spec.tasks import metrics as specs


class ImageDice:
    """The mean over images and classes, the background left out, of twice the overlap over the sum of both.

    It is 1 where neither has any. A row all of whose pixels weigh 0, as those that fill a batch up, is no image.
    """

    def __init__(self, metric: specs.Metric) -> None:
        self.metric = metric
        self.sums: Float64 = np.zeros(2)
        """Of Dice, and of what has one."""

    def add(self, batch: Batch, outputs: Batch) -> None:
        """Count a batch."""
        logits, labels = outputs[self.metric.logits], np.asarray(batch[self.metric.labels])
        weights = weights_of(self.metric, batch, labels.shape)
        is_binary = logits.ndim == labels.ndim
        said = np.asarray(logits, np.float64) > 0 if is_binary else np.argmax(logits, axis=-1)
        is_image = weights.any(axis=(1, 2))
        for kind in range(1, 2 if is_binary else logits.shape[-1]):
            found = self._of(said == kind, labels == kind, weights)[is_image]
            self.sums += found.sum(), len(found)

    def _of(self, said: NDArray[np.bool_], labelled: NDArray[np.bool_], weights: Float64) -> Float64:
        """Of each image ``[batch]``."""
        both = (weights * said).sum(axis=(1, 2)) + (weights * labelled).sum(axis=(1, 2))
        shared = (weights * (said & labelled)).sum(axis=(1, 2))
        return np.asarray(np.divide(2 * shared, both, out=np.ones(len(both)), where=both > 0))

    @property
    def value(self) -> float:
        """Between 0 and 1; 0 before anything was counted."""
        return ratio(*self.sums)


@open_metric.register
def _image_dice(metric: specs.ImageDice) -> ImageDice:
    return ImageDice(metric)
