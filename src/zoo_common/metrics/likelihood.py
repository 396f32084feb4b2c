"""How likely the labels are to a model: perplexity, and bits for each byte of the text that they are tokens of."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from typing import Protocol, runtime_checkable

import numpy as np

from zoo_common.backend import Array, Batch
from zoo_common.data.base import Dataset
from zoo_common.metrics.base import Float64, open_metric, ratio, weights_of
from zoo_common.metrics.texts import each_source, open_text_metric
from zoo_spec.tasks import metrics as specs

_LOGITS = 1 << 22
"""Logits that are looked at at once in float64: a batch may have a thousand million."""


@runtime_checkable
class OfText(Protocol):
    """Examples that know the text that they are the tokens of."""

    @property
    def predicted_bytes(self) -> int | None:
        """Bytes of UTF-8 of the text whose tokens epoch 0 has as labels with a weight; None where it is not known."""


class _Likelihood:
    """The weighted sum of ``-ln p`` of the labels, and of their weights."""

    def __init__(self, metric: specs.Metric) -> None:
        self._of = metric
        self.sums: Float64 = np.zeros(2)

    @property
    def nats(self) -> float:
        """Of all labels."""
        return float(self.sums[0])

    @property
    def weight(self) -> float:
        """Of all labels."""
        return float(self.sums[1])

    def add(self, batch: Batch, outputs: Batch) -> None:
        """Count a batch."""
        labels = np.asarray(batch[self._of.labels], np.int64)
        weights = weights_of(self._of, batch, labels.shape).ravel()
        counted = np.flatnonzero(weights)
        logits = outputs[self._of.logits].reshape(-1, outputs[self._of.logits].shape[-1])
        rows = max(1, _LOGITS // logits.shape[-1])
        for start in range(0, len(counted), rows):
            chosen = counted[start : start + rows]
            self.sums[0] += float(weights[chosen] @ _surprise(logits[chosen], labels.ravel()[chosen]))
        self.sums[1] += float(weights.sum())


class Perplexity:
    """``exp`` of the mean of ``-ln p`` over labels, by weight; the largest float where it is beyond."""

    def __init__(self, metric: specs.Metric) -> None:
        self.metric = metric
        self._found = _Likelihood(metric)

    def add(self, batch: Batch, outputs: Batch) -> None:
        """Count a batch."""
        self._found.add(batch, outputs)

    @property
    def sums(self) -> Float64:
        """Nats and weights."""
        return self._found.sums

    @sums.setter
    def sums(self, sums: Float64) -> None:
        self._found.sums = sums

    @property
    def value(self) -> float:
        """1 at best; 0 before anything was counted."""
        if not self._found.weight:
            return 0.0
        mean = ratio(self._found.nats, self._found.weight)
        return math.exp(mean) if not mean >= math.log(sys.float_info.max) else sys.float_info.max


class BitsPerByte:
    """``-log2 p`` of all labels over the bytes of the text that they are tokens of."""

    def __init__(self, metric: specs.BitsPerByte, examples: Dataset) -> None:
        self.metric: specs.TextMetric = metric
        self._found = _Likelihood(metric)
        counts = [
            each.predicted_bytes if isinstance(each, OfText) else None for each in each_source(examples)
        ]
        self._bytes = None if None in counts else sum(count or 0 for count in counts)

    def add(self, batch: Batch, outputs: Batch) -> None:
        """Count a batch."""
        if self._bytes:
            self._found.add(batch, outputs)

    @property
    def values(self) -> Mapping[str, float]:
        """The number; none of examples whose text is not known."""
        if not self._bytes:
            return {}
        return {self.metric.name: self._found.nats / math.log(2) / self._bytes}


def _surprise(logits: Array, labels: Array) -> Float64:
    """``-ln p`` of each label ``[rows]`` by ``logits [rows, classes]``."""
    wide = logits.astype(np.float64)
    highest = wide.max(axis=-1)
    total = np.log(np.exp(wide - highest[:, None]).sum(axis=-1)) + highest
    return np.asarray(total - wide[np.arange(len(wide)), labels])


@open_metric.register
def _perplexity(metric: specs.Perplexity) -> Perplexity:
    return Perplexity(metric)


@open_text_metric.register
def _bits_per_byte(metric: specs.BitsPerByte, examples: Dataset) -> BitsPerByte:
    return BitsPerByte(metric, examples)
