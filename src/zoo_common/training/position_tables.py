"""Tables of positions: what their rows stand for, and the same rows for a model with more, fewer or other ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zoo_spec.arrays import Array
from zoo_spec.blocks.patch_embeddings import InterpolatedPositions, PatchEmbeddings
from zoo_spec.blocks.position import LearnedPositions, OffsetPositions
from zoo_spec.graph import Graph

Grid = tuple[int, int]


@dataclass(frozen=True)
class PositionTable:
    """A table of positions: how many rows come before the first one's, and the grid, where it is one of patches."""

    offset: int = 0
    grid: Grid | None = None


def position_tables(graph: Graph) -> dict[str, PositionTable]:
    """The tables of learned positions by canonical name."""
    found: dict[str, PositionTable] = {}
    grid: Grid | None = None
    inside = ""
    for place in graph.places():
        block = place.block
        if isinstance(block, PatchEmbeddings):
            grid, inside = block.grid(place.inputs["x"]), f"{place.path}."
        if isinstance(block, InterpolatedPositions):
            found[f"{place.path}.weight"] = PositionTable(1, block.learned_grid)
        elif isinstance(block, OffsetPositions):
            found[f"{place.path}.weight"] = PositionTable(block.offset)
        elif isinstance(block, LearnedPositions):
            of_patches = grid is not None and place.path.startswith(inside)
            found[f"{place.path}.weight"] = PositionTable(1, grid) if of_patches else PositionTable()
    return found


def square(rows: int) -> PositionTable | None:
    """The table of this many rows whose patches form a square; None if they form none."""
    side = round((rows - 1) ** 0.5)
    return PositionTable(1, (side, side)) if side and side * side == rows - 1 else None


def resized(there: PositionTable, here: PositionTable) -> Callable[[Array, Array], Array]:
    """``(their table, our drawn one)`` to ours with their positions, as many as it has."""

    def make(theirs: Array, drawn: Array) -> Array:
        count = min(len(theirs) - there.offset, len(drawn) - here.offset)
        drawn[here.offset : here.offset + count] = theirs[there.offset : there.offset + count]
        return drawn

    return make


def stretched(there: Grid, here: Grid) -> Callable[[Array, Array], Array]:
    """``(their table, our drawn one)`` to their class token's row and their grid, interpolated to ours.

    As google-research/vision_transformer has it (``checkpoint.py``): ``scipy.ndimage.zoom`` of order 1, which puts
    the corners of one grid on those of the other.
    """
    matrix = np.kron(*(_bilinear(old, new) for old, new in zip(there, here, strict=True)))

    def make(theirs: Array, drawn: Array) -> Array:
        patches = matrix @ theirs[1:].astype(np.float64)
        return np.concatenate([theirs[:1], patches.astype(theirs.dtype)])

    return make


def _bilinear(old: int, new: int) -> NDArray[np.float64]:
    """``[new, old]``: weights of the two old places on either side of each new one, ends on ends."""
    place = np.arange(new) * ((old - 1) / (new - 1)) if new > 1 else np.zeros(1)
    first = np.minimum(place.astype(int), max(old - 2, 0))
    matrix = np.zeros((new, old))
    rows = np.arange(new)
    matrix[rows, first] = 1 - (place - first)
    if old > 1:
        matrix[rows, first + 1] += place - first
    return matrix
