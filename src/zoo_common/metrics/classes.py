"""Precision, recall and F1 of each class, and their means; a share of nothing is 0 (scikit-learn's zero_division=0).

Only three numbers a class are held, however long the evaluation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from zoo_common.backend import Batch
from zoo_common.metrics.base import Float64, open_metric, weights_of
from zoo_spec.tasks import metrics as specs


@dataclass(frozen=True)
class ClassScores:
    """What an evaluation says of one class; ``support`` is the weight of the labels that are of it."""

    precision: float
    recall: float
    f1: float
    support: float


@runtime_checkable
class ByClass(Protocol):
    """A counter that also has a number for each class."""

    @property
    def classes(self) -> tuple[ClassScores, ...]:
        """The scores in the order of ids; empty before anything was counted."""


@runtime_checkable
class ByName(Protocol):
    """A counter that also has a number for each of what has names of its own."""

    @property
    def by_name(self) -> Mapping[str, ClassScores]:
        """The scores by name; empty before anything was counted."""


class _Macro:
    """Weights of each class: of what is of it, of what is said to be of it, and of what is both."""

    def __init__(self, metric: specs.Metric) -> None:
        self.metric = metric
        self.sums: Float64 = np.zeros((3, 0))
        """``[3, classes]``: labelled, said, both."""

    @property
    def _labelled(self) -> Float64:
        return np.asarray(self.sums[0])

    @property
    def _said(self) -> Float64:
        return np.asarray(self.sums[1])

    @property
    def _both(self) -> Float64:
        return np.asarray(self.sums[2])

    @property
    def classes(self) -> tuple[ClassScores, ...]:
        """Precision, recall, F1 and support of each class."""
        precision, recall, f1 = self._scores()
        columns = zip(precision, recall, f1, self._labelled, strict=True)
        return tuple(ClassScores(*map(float, column)) for column in columns)

    @property
    def value(self) -> float:
        """The mean over the classes that count; 0 before anything was counted."""
        scores, counts = self._scores()[_SCORE[type(self.metric)]], self._counts()
        return float(scores[counts].mean()) if counts.any() else 0.0

    def _scores(self) -> tuple[Float64, Float64, Float64]:
        both = self._both
        return (
            _share(both, self._said),
            _share(both, self._labelled),
            _share(2 * both, self._said + self._labelled),
        )

    def _counts(self) -> NDArray[np.bool_]:
        """Which classes count in the mean."""
        return np.asarray(self._said + self._labelled > 0)

    def _add(self, labelled: Float64, said: Float64, both: Float64) -> None:
        if not self.sums.size:
            self.sums = np.zeros((3, len(labelled)))
        self.sums = self.sums + np.stack([labelled, said, both])


class Ranked(_Macro):
    """Of labels that have one class each, which ranks first or not."""

    def add(self, batch: Batch, outputs: Batch) -> None:
        """Count a batch."""
        logits = outputs[self.metric.logits]
        classes = logits.shape[-1]
        labels = np.asarray(batch[self.metric.labels], np.int64)
        weights = weights_of(self.metric, batch, labels.shape).ravel()
        said, labels = np.argmax(logits, axis=-1).ravel(), labels.ravel()
        self._add(
            *(
                np.asarray(np.bincount(each, weight, classes), np.float64)
                for each, weight in ((labels, weights), (said, weights), (labels, weights * (said == labels)))
            )
        )


class F1OfOne(Ranked):
    """The harmonic mean of class 1's precision and recall."""

    @property
    def value(self) -> float:
        """0 if nothing is 1, or said to be."""
        return float(self._scores()[_F1][1]) if len(self._labelled) > 1 else 0.0


class Matthews(Ranked):
    """Matthews' correlation of labels and what ranks first; it is of sums over classes alone (Gorodkin, 2004)."""

    @property
    def value(self) -> float:
        """Between -1 and 1; 0 where all labels, or all that is said, are of one class."""
        total = self._labelled.sum()
        labelled, said = (total**2 - (each**2).sum() for each in (self._labelled, self._said))
        if min(labelled, said) <= _ALIKE * total**2:
            return 0.0
        return float(
            (self._both.sum() * total - self._labelled @ self._said) / np.sqrt(labelled) / np.sqrt(said)
        )


class Several(_Macro):
    """Of labels that are 0 or 1, each with a logit of its own; one above 0 says 1."""

    def add(self, batch: Batch, outputs: Batch) -> None:
        """Count a batch."""
        labels = np.asarray(batch[self.metric.labels]) == 1
        said = np.asarray(outputs[self.metric.logits], np.float64) > 0
        weights = weights_of(self.metric, batch, labels.shape)
        places = tuple(range(labels.ndim - 1))
        self._add(*((weights * each).sum(places) for each in (labels, said, labels & said)))

    def _counts(self) -> NDArray[np.bool_]:
        return np.ones(len(self._labelled), np.bool_)


def _share(part: Float64, whole: Float64) -> Float64:
    return np.asarray(np.divide(part, whole, out=np.zeros(len(part)), where=whole > 0))


_ALIKE = 1e-14
"""Of the square of all weights: less is what rounding leaves."""
_PRECISION, _RECALL, _F1 = range(3)
_OF_SEVERAL = (specs.BinaryMacroPrecision, specs.BinaryMacroRecall, specs.BinaryMacroF1)
_SCORE: dict[type[specs.Metric], int] = {
    specs.MacroPrecision: _PRECISION,
    specs.MacroRecall: _RECALL,
    specs.MacroF1: _F1,
    specs.BinaryMacroPrecision: _PRECISION,
    specs.BinaryMacroRecall: _RECALL,
    specs.BinaryMacroF1: _F1,
}
open_metric.register(specs.F1OfOne, F1OfOne)
open_metric.register(specs.Matthews, Matthews)
for _kind in _SCORE:
    open_metric.register(_kind, Several if issubclass(_kind, _OF_SEVERAL) else Ranked)
