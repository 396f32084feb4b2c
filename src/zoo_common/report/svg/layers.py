"""The rows of a drawing and the order in each (Sugiyama, Tagawa and Toda, 1981): long wires get a place in every
row that they pass, and the order that crosses fewest wires is looked for by barycentres."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter

from zoo_common.report.svg.scene import Scene, Wire

_SWEEPS = 24


@dataclass(frozen=True)
class Segment:
    """A piece of a wire from an item to one in the next row; ``wire`` is the one that begins or ends it.

    ``begins`` and ``ends`` say whether its upper or lower item is a box.
    """

    upper: str
    lower: str
    wire: Wire
    begins: bool
    ends: bool


@dataclass
class Layers:
    """Keys of boxes, and of the places that wires pass at, row by row from left to right."""

    rows: list[list[str]]
    segments: list[Segment]

    def places(self) -> dict[str, int]:
        """Each item's number in its row."""
        return {key: number for row in self.rows for number, key in enumerate(row)}


def arrange(scene: Scene) -> Layers:
    """Rows with few crossings."""
    rows_of = _rows(scene)
    rows: list[list[str]] = [[] for _ in range(max(rows_of.values(), default=-1) + 1)]
    for key in scene.boxes:
        rows[rows_of[key]].append(key)
    layers = Layers(rows, _segments(scene, rows_of, rows))
    _order(layers)
    return layers


def _rows(scene: Scene) -> dict[str, int]:
    """The row of each box: below all that it reads, and below all earlier stages."""
    reads: dict[str, list[str]] = defaultdict(list)
    read_by: dict[str, list[str]] = defaultdict(list)
    for wire in scene.wires:
        reads[wire.target].append(wire.source)
        read_by[wire.source].append(wire.target)
    order = list(TopologicalSorter({key: reads[key] for key in scene.boxes}).static_order())
    found: dict[str, int] = {}
    for stage in sorted({box.stage for box in scene.boxes.values()}):
        first = max(found.values(), default=-1) + 1
        members = [key for key in order if scene.boxes[key].stage == stage]
        for key in members:
            found[key] = max([first, *(found[source] + 1 for source in reads[key])])
        for key in members:  # What reads nothing, such as labels, stands next to what reads it.
            below = [found[target] for target in read_by[key] if target in found]
            if not reads[key] and below:
                found[key] = max(first, min(below) - 1)
    return found


def _segments(scene: Scene, rows_of: Mapping[str, int], rows: list[list[str]]) -> list[Segment]:
    """Wires of one output share their way down as far as they have it in common."""
    outputs: dict[tuple[str, str], list[Wire]] = defaultdict(list)
    for wire in scene.wires:
        outputs[wire.source, wire.output].append(wire)
    found = []
    for (source, output), wires in outputs.items():
        top = rows_of[source]
        bottom = max(rows_of[wire.target] for wire in wires)
        way = {top: source}
        for row in range(top + 1, bottom):
            way[row] = f"{source}\0{output}\0{row}"
            rows[row].append(way[row])
            found.append(Segment(way[row - 1], way[row], wires[0], row == top + 1, False))
        for wire in wires:
            row = rows_of[wire.target]
            found.append(Segment(way[row - 1], wire.target, wire, row == top + 1, True))
    return found


def _order(layers: Layers) -> None:
    above: dict[str, list[str]] = defaultdict(list)
    below: dict[str, list[str]] = defaultdict(list)
    for segment in layers.segments:
        above[segment.lower].append(segment.upper)
        below[segment.upper].append(segment.lower)
    best, fewest = [list(row) for row in layers.rows], crossings(layers)
    for sweep in range(_SWEEPS):
        if not fewest:
            break
        down = sweep % 2 == 0
        order = range(1, len(layers.rows)) if down else range(len(layers.rows) - 2, -1, -1)
        for number in order:
            _by_barycentre(layers.rows, number, number - 1 if down else number + 1, above if down else below)
            _swap_neighbours(layers.rows, number, above, below)
        count = crossings(layers)
        if count < fewest:
            best, fewest = [list(row) for row in layers.rows], count
    layers.rows[:] = best


def _by_barycentre(
    rows: list[list[str]], number: int, fixed: int, neighbours: Mapping[str, Sequence[str]]
) -> None:
    place = {key: index for index, key in enumerate(rows[fixed])}
    means = {}
    for index, key in enumerate(rows[number]):
        found = [place[other] for other in neighbours.get(key, ()) if other in place]
        # What has no neighbour there keeps its part of the row.
        scaled = index * max(1, len(rows[fixed])) / len(rows[number])
        means[key] = sum(found) / len(found) if found else scaled
    rows[number].sort(key=lambda key: means[key])


def _swap_neighbours(
    rows: list[list[str]], number: int, above: Mapping[str, Sequence[str]], below: Mapping[str, Sequence[str]]
) -> None:
    """Exchange items that stand side by side while that saves a crossing."""
    row = rows[number]
    sides = [
        ({key: index for index, key in enumerate(rows[other])}, neighbours)
        for other, neighbours in ((number - 1, above), (number + 1, below))
        if 0 <= other < len(rows)
    ]

    def crossed(left: str, right: str) -> int:
        return sum(
            place[one] > place[two]
            for place, neighbours in sides
            for one in neighbours.get(left, ())
            for two in neighbours.get(right, ())
        )

    for _ in range(len(row)):
        swapped = False
        for index in range(len(row) - 1):
            left, right = row[index], row[index + 1]
            if crossed(right, left) < crossed(left, right):
                row[index], row[index + 1] = right, left
                swapped = True
        if not swapped:
            return


def crossings(layers: Layers) -> int:
    """How many pairs of segments cross."""
    places = layers.places()
    row_of = {key: number for number, row in enumerate(layers.rows) for key in row}
    between: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for segment in layers.segments:
        between[row_of[segment.upper]].append((places[segment.upper], places[segment.lower]))
    total = 0
    for pairs in between.values():
        seen: list[int] = []
        for _, lower in sorted(pairs):
            total += len(seen) - bisect_right(seen, lower)
            insort(seen, lower)
    return total
