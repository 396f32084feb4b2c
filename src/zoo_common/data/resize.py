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

_FULL = 255


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
    # Columns as rows: their values lie together.
    tall = _weighted(rows, image, _FULL)
    turned = np.ascontiguousarray(tall.swapaxes(0, 1))
    total = _weighted(columns, turned, _FULL * int(row_sums.max())).swapaxes(0, 1)
    scale: NDArray[np.int64] = row_sums[:, None, None] * column_sums[None, :, None]
    return np.asarray(total / scale)


def resize_nearest(mask: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """``[old height, old width]`` to ``[height, width]``: of each new pixel's middle, the old pixel there."""
    if mask.shape == (height, width):
        return mask
    down, across = (
        (2 * np.arange(new) + 1) * old // (2 * new)
        for old, new in zip(mask.shape, (height, width), strict=True)
    )
    return mask[np.ix_(down, across)]


def _weighted(weights: NDArray[np.int64], values: NDArray[np.integer], most: int) -> NDArray[np.integer]:
    """``weights [new, old]`` times ``values [old, …]`` of at most ``most``; only what triangles cover is read.

    In 32 bits where all sums are within them.
    """
    first = np.argmax(weights > 0, axis=1)
    taps = int((weights > 0).sum(axis=1).max())
    # A row at the border covers less: beyond its end the last value stands with a weight of 0.
    near = np.minimum(first[:, None] + np.arange(taps), weights.shape[1] - 1)
    given = np.where(
        first[:, None] + np.arange(taps) < weights.shape[1], np.take_along_axis(weights, near, 1), 0
    )
    kind = np.int32 if most * int(weights.sum(axis=1).max()) < 2**31 else np.int64
    total = np.zeros((len(weights), *values.shape[1:]), kind)
    shape = (-1, *(1,) * (values.ndim - 1))
    for tap in range(taps):
        total += given[:, tap].astype(kind).reshape(shape) * values[near[:, tap]].astype(kind, copy=False)
    return total
