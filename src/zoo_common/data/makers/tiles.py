"""Tiles that cover an image: where each begins, and which pixels are its own, so that each is told once."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from zoo_spec.data.records import Window


@dataclass(frozen=True)
class Tile:
    """A window at ``top`` and ``left``, and within the image the part ``[first, last)`` that is its own."""

    top: int
    left: int
    own_rows: tuple[int, int]
    own_columns: tuple[int, int]


def tiles(size: tuple[int, int], tile: tuple[int, int], stride: tuple[int, int]) -> list[Tile]:
    """Those of an image, one every ``stride`` pixels, row by row; the last ones are moved back to the edge."""
    rows, columns = (_along(*each) for each in zip(size, tile, stride, strict=True))
    return [Tile(top, left, down, across) for top, down in rows for left, across in columns]


def window_of(tile: Tile, size: tuple[int, int], shape: tuple[int, int], border: int = 0) -> Window:
    """What of the image is within the tile and its border."""
    top, left = max(tile.top - border, 0), max(tile.left - border, 0)
    bottom, right = min(tile.top + shape[0] + border, size[0]), min(tile.left + shape[1] + border, size[1])
    return top, left, bottom - top, right - left


def _along(size: int, tile: int, stride: int) -> list[tuple[int, tuple[int, int]]]:
    starts = [0] if size <= tile else [*range(0, size - tile, min(stride, tile)), size - tile]
    # Where two overlap each has half of that: a network sees least at the edges of what it is given.
    borders = [
        0,
        *((start + before + tile) // 2 for before, start in pairwise(starts)),
        size,
    ]
    return [(start, (borders[index], borders[index + 1])) for index, start in enumerate(starts)]
