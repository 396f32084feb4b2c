"""What is drawn for an image in training: a window, a rotation, mirrors and quarter turns, for its mask alike.

Rotation is in integers until its last division, as resizing is, so that every machine gives the same bits: sine and
cosine are rounded to 15 bits first.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from zoo_spec.data import Augmentation
from zoo_spec.data.records import VOID
from zoo_spec.random import Stream

Values = NDArray[np.uint8 | np.float64]
Kind = TypeVar("Kind", NDArray[np.uint8], NDArray[np.float64], Values)
_ONE = 1 << 15


@dataclass(frozen=True)
class Drawn:
    """What was drawn for one image: where its window begins in it, negative in its border, and how that is turned."""

    top: int
    left: int
    degrees: float = 0.0
    mirrored: bool = False
    upside_down: bool = False
    quarters: int = 0

    def of_image(self, values: Values, height: int, width: int) -> Values:
        """The window of ``values [height, width, channels]``; black where the image has nothing."""
        found = cut(values, self.top, self.left, height, width, 0)
        return self._turned(_rotated(found, self.degrees) if self.degrees else found)

    def of_mask(self, ids: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
        """The same of ``ids [height, width]``; ``VOID`` where the image has nothing."""
        found = cut(ids, self.top, self.left, height, width, VOID)
        return self._turned(_rotated_mask(found, self.degrees) if self.degrees else found)

    def _turned(self, values: Kind) -> Kind:
        if self.mirrored:
            values = values[:, ::-1]
        if self.upside_down:
            values = values[::-1]
        return np.rot90(values, self.quarters) if self.quarters else values


def draw(
    wanted: Augmentation | None,
    stream: Stream | None,
    size: tuple[int, int],
    middle: tuple[int, int],
    window: tuple[int, int],
) -> Drawn:
    """For an image of ``size``, of which a ``window`` is cut out, in the ``middle`` if nothing is drawn."""
    if wanted is None or stream is None:
        return Drawn(*middle)
    down, across, turn, mirror, upside, quarter = stream.uniforms(6).tolist()
    top, left = middle
    if wanted.crop_padding is not None:
        border = wanted.crop_padding
        room = [max(each + 2 * border - part, 0) for each, part in zip(size, window, strict=True)]
        top, left = int(down * (room[0] + 1)) - border, int(across * (room[1] + 1)) - border
    return Drawn(
        top,
        left,
        (2 * turn - 1) * wanted.rotation,
        wanted.flip_left_right and mirror < 0.5,
        wanted.flip_up_down and upside < 0.5,
        int(4 * quarter) if wanted.quarter_turns else 0,
    )


def cut(values: Kind, top: int, left: int, height: int, width: int, beyond: int) -> Kind:
    """``[height, width, …]`` from ``top`` and ``left`` on; ``beyond`` where there is nothing."""
    inside = values[max(top, 0) : max(top + height, 0), max(left, 0) : max(left + width, 0)]
    if inside.shape[:2] == (height, width):
        return inside
    found = np.full((height, width, *values.shape[2:]), beyond, values.dtype)
    below, right = max(-top, 0), max(-left, 0)
    found[below : below + inside.shape[0], right : right + inside.shape[1]] = inside
    return found


def _positions(height: int, width: int, degrees: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where each pixel's middle comes from, rows and columns, in parts of 2 ``_ONE`` of a pixel."""
    cosine, sine = (
        round(math.cos(math.radians(degrees)) * _ONE),
        round(math.sin(math.radians(degrees)) * _ONE),
    )
    down = (2 * np.arange(height, dtype=np.int64) + 1 - height)[:, None]
    across = (2 * np.arange(width, dtype=np.int64) + 1 - width)[None, :]
    return (
        cosine * down + sine * across + (height - 1) * _ONE,
        cosine * across - sine * down + (width - 1) * _ONE,
    )


def _rotated(values: Values, degrees: float) -> NDArray[np.float64]:
    """Turned around its middle, counter-clockwise, between pixels by bilinear interpolation; black beyond them."""
    height, width = values.shape[:2]
    rows, columns = _positions(height, width, degrees)
    # A border of one black pixel: whatever is further away is as black.
    padded = np.pad(values.astype(np.float64), ((1, 1), (1, 1), (0, 0)))
    top, left = rows // (2 * _ONE), columns // (2 * _ONE)
    down, across = (rows % (2 * _ONE))[..., None], (columns % (2 * _ONE))[..., None]
    corners = [
        padded[np.clip(top + 1 + y, 0, height + 1), np.clip(left + 1 + x, 0, width + 1)]
        for y in (0, 1)
        for x in (0, 1)
    ]
    beside, under = 2 * _ONE - across, 2 * _ONE - down
    upper, lower = corners[0] * beside + corners[1] * across, corners[2] * beside + corners[3] * across
    return np.asarray((upper * under + lower * down) / (4 * _ONE * _ONE))


def _rotated_mask(ids: NDArray[np.uint8], degrees: float) -> NDArray[np.uint8]:
    """The same, of each pixel what stands nearest to where it comes from."""
    height, width = ids.shape
    rows, columns = _positions(height, width, degrees)
    top, left = (rows + _ONE) // (2 * _ONE), (columns + _ONE) // (2 * _ONE)
    is_inside = (top >= 0) & (top < height) & (left >= 0) & (left < width)
    found = np.full_like(ids, VOID)
    found[is_inside] = ids[top[is_inside], left[is_inside]]
    return found
