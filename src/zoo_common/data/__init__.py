"""Data sets, opened by an experiment's spec."""

from __future__ import annotations

from zoo_common.data import generated, makers, mixture, shapes, sound_marks, sources
from zoo_common.data.base import (
    DataDescription,
    Dataset,
    Example,
    batch,
    batches,
    evaluation_batches,
)
from zoo_common.data.opening import open_dataset
from zoo_common.data.reader import Wanted, open_data

__all__ = [
    "DataDescription",
    "Dataset",
    "Example",
    "Wanted",
    "batch",
    "batches",
    "evaluation_batches",
    "generated",
    "makers",
    "mixture",
    "open_data",
    "open_dataset",
    "shapes",
    "sound_marks",
    "sources",
]
