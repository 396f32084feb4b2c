"""Sinusoidal positions."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from zoo_spec.base import PositiveInt
from zoo_spec.blocks.base import Inputs, Outputs, ShapeError
from zoo_spec.blocks.position import Position

Layout = Literal["interleaved", "halves"]


class SinusoidalPositions(Position):
    """Adds sines and cosines of each position (Vaswani et al., 2017, 3.5); nothing is learned."""

    kind: Literal["sinusoidal_positions"] = "sinusoidal_positions"
    size: PositiveInt = 512
    """Number of positions; the sequence may not be longer."""
    layout: Layout = "interleaved"
    """``interleaved``: a sine, its cosine, the next sine, as in the paper. ``halves``: all sines, then all
    cosines, as in Marian."""

    def infer(self, inputs: Inputs) -> Outputs:
        """Same shape; refuses an odd width, and a known length beyond the positions."""
        outputs = super().infer(inputs)
        x = inputs["x"]
        if x.width % 2:
            raise ShapeError(f"needs an even width, a sine and a cosine each; it is {x.width}")
        if isinstance(x.shape[1], int) and x.shape[1] > self.size:
            raise ShapeError(f"a sequence of {x.shape[1]} is longer than the {self.size} positions")
        return outputs


def sinusoids(size: int, width: int, layout: Layout) -> NDArray[np.float64]:
    """``[size, width]``: sin and cos of ``position / 10000^(2 i / width)``."""
    angles = np.arange(size)[:, np.newaxis] / 10000.0 ** (np.arange(0, width, 2) / width)
    table = np.stack([np.sin(angles), np.cos(angles)], -1 if layout == "interleaved" else 1)
    return table.reshape(size, width)
