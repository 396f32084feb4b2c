"""Metrics of question answering: the best span of each example against the labelled one, by positions."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np
from numpy.typing import NDArray

from zoo_common.backend import Array, Batch
from zoo_common.metrics.base import Float64, open_metric, ratio, weights_of
from zoo_spec.tasks import metrics as specs

Positions = NDArray[np.int64]
Flags = NDArray[np.bool_]


def best_spans(start: Float64, end: Float64, real: Flags) -> Positions:
    """First and last position, ``[rows, 2]``, of the span with the largest sum of logits ``[rows, sequence]``.

    It ends where it starts or later, and holds ``real`` tokens only. The first real one stands for no answer: it
    is a span of its own and in no other.
    """
    rows, places = np.arange(len(real)), np.arange(real.shape[1])
    none = real.argmax(axis=1)
    answers = real & (places != none[:, None])
    starts = np.where(answers, start, -np.inf)
    sums = np.where(answers, np.maximum.accumulate(starts, axis=1) + end, -np.inf)
    sums[rows, none] = start[rows, none] + end[rows, none]
    last = sums.argmax(axis=1)
    first = np.where(places <= last[:, None], starts, -np.inf).argmax(axis=1)
    return np.stack([np.where(last == none, none, first), last], axis=1)


def _answers(real: Flags, types: Array | None) -> Flags:
    """Where answers may stand: behind the question, in rows whose token types tell two texts apart."""
    if types is None:
        return real
    second = real & (np.asarray(types) == 1)
    first = np.arange(real.shape[1]) == real.argmax(axis=1)[:, None]
    return np.where(second.any(axis=1)[:, None], second | first, real)


class _Span:
    """The weighted mean of a score of each example."""

    def __init__(self, metric: specs.SpanMetric) -> None:
        self.metric: specs.Metric = metric
        self._span = metric
        self.sums: Float64 = np.zeros(2)
        """Of scores, and of weights."""

    def add(self, batch: Batch, outputs: Batch) -> None:
        """Count a batch."""
        metric = self._span
        labels = np.asarray(batch[metric.labels])
        several = labels[0].size  # Of a packed row each example has an answer of its own.
        wanted = np.stack([labels, batch[metric.end_labels]], axis=-1).reshape(-1, 2).astype(np.int64)

        def rows(value: Array) -> Array:
            return np.repeat(np.asarray(value), several, axis=0)

        start, end = (rows(outputs[name]).astype(np.float64) for name in (metric.logits, metric.end_logits))
        ids = rows(batch.get("example_ids", np.ones(outputs[metric.logits].shape)))
        real = ids == np.take_along_axis(ids, wanted[:, :1], axis=1)
        types = batch.get("token_type_ids")
        found = best_spans(start, end, _answers(real, None if types is None else rows(types)))
        weights = weights_of(metric, batch, labels.shape).ravel()
        self.sums += (weights * self._score(found, wanted)).sum(), weights.sum()

    @property
    def value(self) -> float:
        """The mean; 0 before anything was counted."""
        return ratio(*self.sums)

    @abstractmethod
    def _score(self, found: Positions, wanted: Positions) -> Float64: ...


class SpanExactMatch(_Span):
    """The share of examples whose best span is the labelled one."""

    def _score(self, found: Positions, wanted: Positions) -> Float64:
        return np.asarray((found == wanted).all(axis=1), np.float64)


class SpanF1(_Span):
    """The mean of F1 between the positions of the best span and of the labelled one."""

    def _score(self, found: Positions, wanted: Positions) -> Float64:
        first = np.maximum(found[:, 0], wanted[:, 0])
        last = np.minimum(found[:, 1], wanted[:, 1])
        shared = np.maximum(last - first + 1, 0)
        sizes = (found[:, 1] - found[:, 0] + 1) + (wanted[:, 1] - wanted[:, 0] + 1)
        return np.asarray(2.0 * shared / sizes)


@open_metric.register
def _span_exact_match(metric: specs.SpanExactMatch) -> SpanExactMatch:
    return SpanExactMatch(metric)


@open_metric.register
def _span_f1(metric: specs.SpanF1) -> SpanF1:
    return SpanF1(metric)
