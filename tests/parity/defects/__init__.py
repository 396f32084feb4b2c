"""Defects planted in the source, to test the parity suite itself; its code knows none of them."""

from __future__ import annotations

from defects.attention import ATTENTION
from defects.base import Defect
from defects.images import IMAGES
from defects.layers import LAYERS
from defects.losses import LOSSES
from defects.positions import POSITIONS
from defects.precision import PRECISION
from defects.shared import SHARED
from defects.training import TRAINING

DEFECTS: tuple[Defect, ...] = (
    *ATTENTION,
    *POSITIONS,
    *LAYERS,
    *IMAGES,
    *LOSSES,
    *TRAINING,
    *PRECISION,
    *SHARED,
)

__all__ = ["DEFECTS", "Defect"]
