"""What is scored without a look at the input: whoever says how good a model is says better than what.

The blind answer gives every label the share that it has among the training labels, each counted once more than it
occurs (Laplace's rule): its loss is that of a unigram, its first choice the commonest label, its number the mean.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from zoo_common.backend import Array, Batch
from zoo_common.data.base import Dataset, evaluation_batches, stack
from zoo_common.metrics import open_metric, open_text_metric
from zoo_common.metrics.base import Counter, Float64, ratio
from zoo_spec.blocks.losses import (
    Loss,
    PositionCrossEntropy,
    SigmoidCrossEntropy,
    SigmoidDice,
    SoftmaxCrossEntropy,
    SoftmaxDice,
    SquaredError,
)
from zoo_spec.experiment import ExperimentSpec
from zoo_spec.graph import Graph
from zoo_spec.graph.wiring import LossPart
from zoo_spec.tasks.metrics import TextMetric

_LOOKED_AT = 2000
"""Training examples whose labels are counted at most, from all over the data."""
_RANKED = (SoftmaxCrossEntropy, SoftmaxDice, PositionCrossEntropy)
_YES_OR_NO = (SigmoidCrossEntropy, SigmoidDice)


class BlindAnswer:
    """Of one part of a loss: the logits that are the same for every example."""

    def __init__(self, graph: Graph, part: LossPart) -> None:
        node = graph.nodes[part.node]
        self.part, self.block = part, node.block
        ref = node.inputs["logits"]
        self.output = next((name for name, each in graph.output_refs.items() if each == ref), None)
        logits = node.specs["logits"]
        self._is_ranked = isinstance(self.block, _RANKED)
        self._is_yes_or_no = isinstance(self.block, _YES_OR_NO)
        self._classes = node.block.label_limit(node.specs) if isinstance(node.block, Loss) else None
        # Of several labels each has a share of its own.
        self._is_each = not self._is_ranked and logits.rank == 2 and isinstance(logits.shape[-1], int)
        self._sums: Float64 = np.zeros(1)
        self._weights: Float64 = np.zeros(1)

    @property
    def is_known(self) -> bool:
        """Whether there is a blind answer of this kind, under the name of an output."""
        known = self._is_ranked or self._is_yes_or_no or isinstance(self.block, SquaredError)
        return known and self.part.labels is not None and self.output is not None

    def count(self, batch: Batch) -> None:
        """Look at the labels of a training batch."""
        labels, weights = self._labels(batch)
        if self._is_ranked:
            places, most = labels.astype(np.int64).ravel(), self._classes or len(self._sums)
            counted = np.bincount(places, weights.ravel(), most)
            self._sums = np.pad(self._sums, (0, len(counted) - len(self._sums))) + counted
        else:
            axes = 0 if self._is_each else None
            self._sums = self._sums + (weights * labels).sum(axes)
            self._weights = self._weights + weights.sum(axes)

    def logits(self, batch: Batch) -> Float64:
        """For a batch, in the shape that its model would give."""
        labels, _ = self._labels(batch)
        if not self._is_ranked:
            share = np.divide(
                self._sums, self._weights, out=np.zeros(len(self._sums)), where=self._weights > 0
            )
            odds = np.log(np.clip(share, 1e-6, None)) - np.log(np.clip(1 - share, 1e-6, None))
            return np.broadcast_to(odds if self._is_yes_or_no else share, labels.shape).astype(np.float64)
        # Each label was seen once more than it was: one that training lacks is not impossible, only rare.
        sums = self._sums + 1
        if isinstance(self.block, PositionCrossEntropy):
            length = next(value.shape[1] for value in batch.values() if np.ndim(value) > 1)
            sums = np.pad(sums, (0, max(0, length - len(sums))), constant_values=1)[:length]
        return np.broadcast_to(np.log(sums / sums.sum()), (*labels.shape, len(sums)))

    def loss(self, batch: Batch) -> tuple[float, float] | None:
        """Numerator and denominator; None for a loss that is no mean over labels."""
        labels, weights = self._labels(batch)
        logits = self.logits(batch)
        if isinstance(self.block, SoftmaxDice | SigmoidDice):
            return None
        if self._is_ranked:
            each = -np.take_along_axis(logits, labels.astype(np.int64)[..., None], -1)[..., 0]
        elif self._is_yes_or_no:
            each = np.logaddexp(0, logits) - labels * logits
        else:
            each = (logits - labels) ** 2
        return float((weights * each).sum()), float(weights.sum())

    def _labels(self, batch: Batch) -> tuple[Float64, Float64]:
        assert self.part.labels is not None
        labels = np.asarray(batch[self.part.labels], np.float64)
        given = None if self.part.weights is None else batch.get(self.part.weights)
        weights = np.ones(labels.shape) if given is None else np.asarray(given, np.float64)
        return labels, np.broadcast_to(
            weights.reshape(*weights.shape, *[1] * (labels.ndim - weights.ndim)), labels.shape
        )


def blind_scores(
    spec: ExperimentSpec, graph: Graph, training: Dataset, evaluation: Dataset, rows: int
) -> dict[str, float]:
    """``loss`` and the task's metrics of the blind answer, those that there are; as in ``zoo eval``.

    Left out are what is read out of other outputs than those that the loss reads, texts that a model writes token by
    token, and a loss that is no mean over labels.
    """
    answers = [BlindAnswer(graph, part) for part in graph.loss_parts]
    known = [answer for answer in answers if answer.is_known]
    for batch in _spread(training, rows):
        for answer in known:
            answer.count(batch)
    outputs = {answer.output for answer in known}
    metrics: list[Counter] = [
        open_metric(metric)
        for metric in spec.task.metrics()
        if not isinstance(metric, TextMetric)
        and set(metric.outputs) <= outputs
        and set(metric.inputs) <= set(graph.inputs)
    ]
    texts = [
        open_text_metric(metric, evaluation)
        for metric in spec.task.metrics()
        if isinstance(metric, TextMetric)
        and not metric.asks_model
        and spec.data.is_of_records
        and set(metric.outputs) <= outputs
    ]
    losses = {answer.part.name: [0.0, 0.0] for answer in answers}
    for batch in evaluation_batches(evaluation, rows):
        said: dict[str, Array] = {}
        for answer in known:
            assert answer.output is not None
            said[answer.output] = answer.logits(batch)
            for at, value in enumerate(answer.loss(batch) or (np.nan, np.nan)):
                losses[answer.part.name][at] += value
        for metric in metrics:
            metric.add(batch, said)
        for text in texts:
            text.add(batch, said)
    found = {**_loss(answers, losses), **{metric.metric.name: metric.value for metric in metrics}}
    for text in texts:
        found |= text.values
    return found


def _loss(answers: list[BlindAnswer], sums: Mapping[str, list[float]]) -> dict[str, float]:
    """The sum of all parts; nothing where one has no blind answer."""
    if not all(answer.is_known for answer in answers):
        return {}
    total = sum(answer.part.factor * ratio(*sums[answer.part.name]) for answer in answers)
    return {} if np.isnan(total) else {"loss": float(total)}


def _spread(dataset: Dataset, rows: int) -> Iterator[Batch]:
    """Batches of examples from all over the data."""
    chosen = np.unique(np.linspace(0, len(dataset) - 1, min(len(dataset), _LOOKED_AT)).astype(int)).tolist()
    for start in range(0, len(chosen), rows):
        yield stack(
            dataset.examples([(0, index) for index in chosen[start : start + rows]]), dataset.padding()
        )
