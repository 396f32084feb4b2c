"""Sinusoidal positions."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from zoo_spec.base import NonNegativeInt, PositiveInt
from zoo_spec.blocks.base import Inputs, Outputs, ShapeError
from zoo_spec.blocks.position import Position

Layout = Literal["interleaved", "halves"]
Spacing = Literal["open", "closed"]


class SinusoidalPositions(Position):
    """Adds sines and cosines of each position (Vaswani et al., 2017, 3.5); nothing is learned."""

    kind: Literal["sinusoidal_positions"] = "sinusoidal_positions"
    size: PositiveInt = 512
    """Number of positions; the sequence may not be longer."""
    layout: Layout = "interleaved"
    """``interleaved``: a sine, its cosine, the next sine, as in the paper. ``halves``: all sines, then all
    cosines, as in Marian."""
    first: NonNegativeInt = 0
    """What the first position of a sequence is counted as; 2 in fairseq, which counts behind its padding's id."""
    spacing: Spacing = "open"
    """How wavelengths grow from ``2 pi`` to ``10000 * 2 pi``: ``open`` leaves the longest out, as the paper's formula
    does; ``closed`` has it, as fairseq and tensor2tensor do."""

    def infer(self, inputs: Inputs) -> Outputs:
        """Same shape; refuses an odd width, and a known length beyond the positions."""
        outputs = super().infer(inputs)
        x = inputs["x"]
        if x.width % 2:
            raise ShapeError(f"needs an even width, a sine and a cosine each; it is {x.width}")
        if x.width == 2 and self.spacing == "closed":
            raise ShapeError(
                "needs two wavelengths at least, the shortest and the longest; a width of 2 has one"
            )
        if isinstance(x.shape[1], int) and x.shape[1] > self.size:
            raise ShapeError(f"a sequence of {x.shape[1]} is longer than the {self.size} positions")
        return outputs


def sinusoids(
    size: int, width: int, layout: Layout, first: int = 0, spacing: Spacing = "open"
) -> NDArray[np.float64]:
    """``[size, width]``: sin and cos of ``(first + position) / 10000^(i / n)``, the ``i``-th of ``n`` pairs.

    Where the spacing is closed, ``n`` is one less there.
    """
    pairs = width // 2
    exponents = np.arange(pairs) / (pairs if spacing == "open" else pairs - 1)
    angles = np.arange(first, first + size)[:, np.newaxis] / 10000.0**exponents
    table = np.stack([np.sin(angles), np.cos(angles)], -1 if layout == "interleaved" else 1)
    return table.reshape(size, width)
