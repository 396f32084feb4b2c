"""Examples that are no text: images and masks by shape, range and label; sound by length, and what is said."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zoo_common.data.base import Example
from zoo_common.data.label_names import Names
from zoo_common.data.letters import Letters
from zoo_common.report.inspection.views import (
    Classes,
    Looked,
    Piece,
    Row,
    View,
    array_row,
    open_view,
    said,
    spread,
)
from zoo_spec.tasks.ctc import Ctc
from zoo_spec.tasks.image_classification import ImageClassification
from zoo_spec.tasks.masked_unit_prediction import MaskedUnitPrediction
from zoo_spec.tasks.segmentation import DenseLabelling

_NONE = np.zeros(0, np.int64)
_RUNS = 40
"""Runs of equal units that are shown."""


class ImageView(View):
    """An image, and what it shows."""

    def __init__(self, looked: Looked) -> None:
        self._size = looked.graph.outputs
        self.classes: Classes = Classes("images", looked.names)

    def rows(self, example: Example) -> list[Row]:
        """Its shape and range, its label, and whatever else the model is fed."""
        rows = [array_row(name, value) for name, value in example.items() if name not in _LABELS]
        if "labels" in example:
            rows.append(said("label", self.classes.name(int(example["labels"])), "label"))
        return rows

    def labels(self, example: Example) -> NDArray[np.integer]:
        """Its class."""
        return np.atleast_1d(example["labels"]).astype(np.int64) if "labels" in example else _NONE


_LABELS = ("labels", "label_weights")


@open_view.register
def _image(task: ImageClassification, looked: Looked) -> View:
    return ImageView(looked)


class MaskView(View):
    """An image, and how much of it each class has."""

    def __init__(self, looked: Looked) -> None:
        names: Names | None = getattr(looked.spec.data, "class_names", None)
        self.classes: Classes = Classes("pixels", looked.names or names or ())

    def rows(self, example: Example) -> list[Row]:
        """Its shape and range, and the classes' shares of the pixels that count."""
        rows = [array_row(name, value) for name, value in example.items() if name not in _LABELS]
        labels = self.labels(example)
        counts = np.bincount(labels) if len(labels) else _NONE
        shares = [
            f"{self.classes.name(index)} {count / len(labels):.1%}"
            for index, count in enumerate(counts.tolist())
            if count
        ]
        rows.append(said("mask", ", ".join(shares) or "no pixel counts", "label"))
        if "labels" in example and len(labels) < example["labels"].size:
            rows.append(said("ignored", f"{1 - len(labels) / example['labels'].size:.1%} of the pixels"))
        return rows

    def labels(self, example: Example) -> NDArray[np.integer]:
        """Of each pixel that counts."""
        if "labels" not in example:
            return _NONE
        labels = example["labels"].astype(np.int64)
        weights = example.get("label_weights")
        found: NDArray[np.integer] = labels.ravel() if weights is None else labels[weights > 0]
        return found


@open_view.register
def _mask(task: DenseLabelling, looked: Looked) -> View:
    return MaskView(looked)


class SoundView(View):
    """A waveform, and what is said in it."""

    def __init__(self, looked: Looked) -> None:
        rate = getattr(looked.spec.data.asked, "rate", None)
        self._rate: int | None = rate if isinstance(rate, int) else None
        self._letters = Letters(looked.names) if looked.names else None

    def rows(self, example: Example) -> list[Row]:
        """Its length and range, and its transcript."""
        rows = [self._sound(example)]
        labels = example.get("labels")
        if labels is not None and self._letters is not None:
            text = self._letters.text(labels.tolist())
            rows.append(said("transcript", f"{text} ({len(labels)} letters)", "label"))
        elif labels is not None:
            rows.append(array_row("labels", labels))
        return rows

    def _sound(self, example: Example) -> Row:
        waveform = example["waveform"]
        seconds = "" if self._rate is None else f" ({len(waveform) / self._rate:.2f} s at {self._rate:,} Hz)"
        return said("sound", f"{len(waveform):,} samples{seconds}, {spread(waveform)}")


@open_view.register
def _transcript(task: Ctc, looked: Looked) -> View:
    return SoundView(looked)


class UnitView(SoundView):
    """A waveform, and the units of its frames, of which those are marked that the model does not see."""

    legend = "unit×frames; [[…]]: frames that are hidden, whose units are to be predicted"

    def rows(self, example: Example) -> list[Row]:
        """Its length and range, and its units."""
        labels = example.get("labels")
        if labels is None:
            return [self._sound(example)]
        hidden = example.get("label_weights", np.ones(len(labels))) > 0
        share = said("hidden", f"{int(hidden.sum())} of {len(labels)} frames")
        return [self._sound(example), ("units", _runs(labels.astype(np.int64), hidden)), share]


def _runs(labels: NDArray[np.int64], hidden: NDArray[np.bool_]) -> tuple[Piece, ...]:
    ends = np.flatnonzero((np.diff(labels) != 0) | (np.diff(hidden.astype(int)) != 0)) + 1
    found, start = [], 0
    for end in [*ends.tolist(), len(labels)]:
        text = f"{labels[start]}×{end - start}"
        found.append(Piece(f"[[{text}]]", "asked") if hidden[start] else Piece(text, "context"))
        start = end
    more = len(found) - _RUNS
    return (*found[:_RUNS], *([Piece(f"… {more:,} more", "context")] if more > 0 else []))


@open_view.register
def _units(task: MaskedUnitPrediction, looked: Looked) -> View:
    return UnitView(looked)
