"""Data sets, opened by an experiment's spec."""

from __future__ import annotations

from zoo_common.data.base import (
    DataDescription,
    Dataset,
    Example,
    batch,
    batches,
    evaluation_batches,
)
from zoo_common.data.opening import open_dataset

__all__ = [
    "DataDescription",
    "Dataset",
    "Example",
    "batch",
    "batches",
    "evaluation_batches",
    "open_dataset",
]
