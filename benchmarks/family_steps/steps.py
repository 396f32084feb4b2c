"""What a way gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

Run = Callable[[], object]
Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Steps:
    """A training step on the case's batch, and a forward pass of so many rows."""

    train: Run
    forward: Callable[[int], Run]
