"""Data sets, opened by an experiment's spec."""

from __future__ import annotations

from zoo_common.data import generated, makers, mixture, shapes, sound_marks, sources
from zoo_common.data.ahead import batches, batches_by
from zoo_common.data.base import (
    DataDescription,
    Dataset,
    Example,
    batch,
    evaluation_batches,
)
from zoo_common.data.opening import open_dataset
from zoo_common.data.reader import Wanted, open_data
from zoo_common.data.worker import Recipe

__all__ = [
    "DataDescription",
    "Dataset",
    "Example",
    "Recipe",
    "Wanted",
    "batch",
    "batches",
    "batches_by",
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
