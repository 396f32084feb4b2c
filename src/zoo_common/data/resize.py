"""Exact bilinear resizing: integers until the last division, so every machine gives the same bits.

Pixel centres stand at half-integers, as in ``torch.nn.functional.interpolate(align_corners=False,
antialias=True)`` and ``tf.image.resize(antialias=True)``: a pixel's weights are a triangle as wide as the
larger of the two pixel pitches, cut off at the border and normalised. Enlarging, that is plain bilinear
interpolation with the border repeated.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

_BLOCK = 64


@lru_cache(maxsize=16)
def resize_matrix(old: int, new: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Weights of ``old`` pixels for ``new`` ones: integer numerators ``[new, old]``, denominators ``[new]``.

    The centres of new pixel ``i`` and old pixel ``j`` are ``|new (2 j + 1) - old (2 i + 1)| / (2 new)`` old
    pixels apart; a triangle of half-width ``max(1, old / new)`` has weight 1 less the distance over that.
    """
    wanted, given = 2 * np.arange(new, dtype=np.int64) + 1, 2 * np.arange(old, dtype=np.int64) + 1
    numerators = np.maximum(0, 2 * max(old, new) - np.abs(new * given[None, :] - old * wanted[:, None]))
    return numerators, numerators.sum(axis=1)


def resize(image: NDArray[np.uint8], height: int, width: int) -> NDArray[np.float64]:
    """``[old height, old width, channels]`` to ``[height, width, channels]``, in units of a pixel's value."""
    if image.shape[:2] == (height, width):
        return image.astype(np.float64)
    rows, row_sums = resize_matrix(image.shape[0], height)
    columns, column_sums = resize_matrix(image.shape[1], width)
    total = _weighted(columns, _weighted(rows, image).swapaxes(0, 1)).swapaxes(0, 1)
    scale: NDArray[np.int64] = row_sums[:, None, None] * column_sums[None, :, None]
    return total.astype(np.float64) / scale


def _weighted(weights: NDArray[np.int64], values: NDArray[np.integer]) -> NDArray[np.int64]:
    """``weights [new, old]`` times ``values [old, …]``, of which only what a row's triangle covers is looked at.

    A block at a time is widened to 64 bits: a whole photograph would take eight times its size.
    """
    total = np.zeros((len(weights), *values.shape[1:]), np.int64)
    for row, each in zip(total, weights, strict=True):
        near = np.flatnonzero(each)
        for start in range(near[0], near[-1] + 1, _BLOCK):
            block = slice(start, min(start + _BLOCK, near[-1] + 1))
            row += np.tensordot(each[block], values[block].astype(np.int64), axes=(0, 0))
    return total
