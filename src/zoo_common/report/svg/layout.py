"""Positions of everything in a drawing, in pixels, y downwards: sizes of boxes, places of ports, ways of wires."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from zoo_common.report.svg.layers import Layers, Segment, arrange
from zoo_common.report.svg.scene import SMALL, TEXT, TITLE, Box, Scene, Wire, text_width
from zoo_common.report.svg.straight import Pull, straighten

LINE, PORT_LINE = 15.0, 12.0
PAD = 9.0
_BETWEEN, _PASS = 22.0, 12.0
_GAP, _WIDEST_GAP = 34.0, 80.0
_SWEEPS, _EFFORT = 60, 80_000
PILE = 5.0
BAND = 26.0
SUM = 20.0


@dataclass(frozen=True)
class Port:
    """Where on a box's edge a wire ends, from its left, and what is written there."""

    x: float
    label: str


@dataclass
class PlacedBox:
    """A box with its upper left corner; its ports and outputs, each with the x from the box's left edge."""

    box: Box
    width: float
    height: float
    x: float = 0.0
    y: float = 0.0
    ports: Mapping[str, Port] = field(default_factory=dict)
    outputs: Mapping[str, Port] = field(default_factory=dict)
    inside: Placed | None = None


@dataclass(frozen=True)
class Way:
    """A piece of a wire: straight down, over to another x between two rows, straight down again."""

    start: tuple[float, float]
    leave: float
    arrive: float
    end: tuple[float, float]
    dashed: bool
    arrow: bool


@dataclass
class Placed:
    """A scene with positions; ``rows`` are the upper and lower edge of each row."""

    width: float
    height: float
    boxes: dict[str, PlacedBox]
    ways: list[Way]
    rows: list[tuple[float, float]]


def place(scene: Scene) -> Placed:
    """Positions from (0, 0) to (width, height); no wire goes through a box."""
    layers = arrange(scene)
    boxes = _sized(scene, layers)
    centres = _centres(layers, boxes)
    left = min((centre - _half(key, boxes) for key, centre in centres.items()), default=0.0)
    centres = {key: centre - left for key, centre in centres.items()}
    width = max((centre + _half(key, boxes) for key, centre in centres.items()), default=0.0)
    rows = _place_rows(layers, boxes, centres, scene.band)
    ways = _ways(layers, boxes, centres, rows)
    return Placed(width, rows[-1][1] if rows else 0.0, boxes, ways, rows)


def _sized(scene: Scene, layers: Layers) -> dict[str, PlacedBox]:
    """Boxes as large as their text, ports and inside need; ports stand in the order of where they come from."""
    place_of = layers.places()
    entering: dict[str, list[tuple[int, int, Wire]]] = defaultdict(list)
    leaving: dict[str, dict[tuple[str, str], list[int]]] = defaultdict(lambda: defaultdict(list))
    for index, segment in enumerate(layers.segments):
        wire = segment.wire
        if segment.ends:
            entering[segment.lower].append((place_of[segment.upper], index, wire))
        if segment.begins:
            leaving[segment.upper][wire.output, wire.output_label].append(place_of[segment.lower])
    found = {}
    for key, box in scene.boxes.items():
        ports = [(wire.port, wire.label) for *_, wire in sorted(entering[key], key=lambda each: each[:2])]
        means = {output: sum(below) / len(below) for output, below in leaving[key].items()}
        found[key] = _size(box, ports, sorted(means, key=lambda output: means[output]))
    return found


def _size(box: Box, ports: Sequence[tuple[str, str]], outputs: Sequence[tuple[str, str]]) -> PlacedBox:
    inside = None if box.inside is None else place(box.inside)
    width, height = SUM, SUM
    if box.look == "port":
        width, height = text_width(box.title, SMALL) + 6, PORT_LINE + 4
    elif box.look != "sum":
        needed = [
            text_width(box.title, TITLE, bold=True),
            *(text_width(line, TEXT) for line in box.lines),
            *(sum(_cell(label) for _, label in each) for each in (ports, outputs)),
            inside.width + 2 * PAD if inside is not None else 0.0,
        ]
        width = max(needed) + 2 * PAD
        height = (
            2 * PAD
            + LINE * (1 + len(box.lines))
            + PORT_LINE * sum(any(label for _, label in each) for each in (ports, outputs))
        )
        height += 0.0 if inside is None else inside.height + PAD
    pile = PILE if box.count > 1 else 0.0
    return PlacedBox(
        box, width + pile, height + pile, 0, 0, _spread(ports, width), _spread(outputs, width), inside
    )


def _cell(label: str) -> float:
    return max(14.0, text_width(label, SMALL) + 8)


def _spread(ports: Sequence[tuple[str, str]], width: float) -> dict[str, Port]:
    """Side by side around the middle."""
    x, found = (width - sum(_cell(label) for _, label in ports)) / 2, {}
    for key, label in ports:
        found[key] = Port(x + _cell(label) / 2, label)
        x += _cell(label)
    return found


def _half(key: str, boxes: Mapping[str, PlacedBox]) -> float:
    return boxes[key].width / 2 if key in boxes else _PASS / 2


def _centres(layers: Layers, boxes: Mapping[str, PlacedBox]) -> dict[str, float]:
    """The x of each item's middle: as straight wires as the order in the rows allows, by least squares."""
    pulls: dict[str, list[tuple[str, float, float]]] = defaultdict(list)
    segments = []
    for segment in layers.segments:
        # A wire that passes several rows is to be straight there before anything else.
        weight = (1.0 if segment.begins else 3.0) * (1.0 if segment.ends else 3.0)
        shift = _end(segment.lower, segment.wire.port, boxes, entering=True) - _end(
            segment.upper, segment.wire.output, boxes, entering=False
        )
        pulls[segment.upper].append((segment.lower, shift, weight))
        pulls[segment.lower].append((segment.upper, -shift, weight))
        segments.append(Pull(segment.upper, segment.lower, -shift, weight))
    centres: dict[str, float] = {}
    for row in layers.rows:
        x = 0.0
        for key in row:
            centres[key] = x + _half(key, boxes)
            x += 2 * _half(key, boxes) + _BETWEEN
        for key in row:
            centres[key] -= x / 2
    for sweep in range(max(8, min(_SWEEPS, _EFFORT // len(centres))) if centres else 0):
        for row in layers.rows if sweep % 2 == 0 else reversed(layers.rows):
            wanted, weights = [], []
            for key in row:
                weight = sum(each[2] for each in pulls[key])
                mean = sum((centres[other] + shift) * pull for other, shift, pull in pulls[key])
                wanted.append(mean / weight if weight else centres[key])
                weights.append(weight or 0.01)
            halves = [_half(key, boxes) for key in row]
            centres.update(zip(row, _apart(wanted, weights, halves), strict=True))
    straighten(layers.rows, {key: _half(key, boxes) for key in centres}, _BETWEEN, centres, segments)
    return centres


def _end(key: str, port: str, boxes: Mapping[str, PlacedBox], *, entering: bool) -> float:
    """Where a wire ends, from the item's middle."""
    if key not in boxes:
        return 0.0
    box = boxes[key]
    return (box.ports if entering else box.outputs)[port].x - box.width / 2


def _apart(wanted: Sequence[float], weights: Sequence[float], halves: Sequence[float]) -> list[float]:
    """The nearest positions to the wanted ones at which none overlap (pool adjacent violators)."""
    offsets = [0.0]
    for left, right in pairwise(halves):
        offsets.append(offsets[-1] + left + right + _BETWEEN)
    pools: list[tuple[float, float, int]] = []  # Mean, weight, how many.
    for want, weight, offset in zip(wanted, weights, offsets, strict=True):
        pool = (want - offset, weight, 1)
        while pools and pools[-1][0] > pool[0]:
            mean, total, count = pools.pop()
            both = total + pool[1]
            pool = ((mean * total + pool[0] * pool[1]) / both, both, count + pool[2])
        pools.append(pool)
    flat = [mean for mean, _, count in pools for _ in range(count)]
    return [mean + offset for mean, offset in zip(flat, offsets, strict=True)]


def _place_rows(
    layers: Layers, boxes: Mapping[str, PlacedBox], centres: Mapping[str, float], band: int | None
) -> list[tuple[float, float]]:
    """Each row's upper and lower edge; rows are further apart where wires go far to the side."""
    banded = False
    row_of = {key: number for number, row in enumerate(layers.rows) for key in row}
    farthest = [0.0] * (len(layers.rows) + 1)
    for segment in layers.segments:
        number = row_of[segment.lower]
        one, other = _xs(segment, boxes, centres)
        farthest[number] = max(farthest[number], abs(one - other))
    edges, y = [], 0.0
    for number, row in enumerate(layers.rows):
        y += min(_GAP + 0.12 * farthest[number], _WIDEST_GAP) if number else 0.0
        height = max((boxes[key].height for key in row if key in boxes), default=0.0)
        if (
            band is not None
            and not banded
            and any(boxes[key].box.stage >= band for key in row if key in boxes)
        ):
            y += BAND
            banded = True
        for key in row:
            if key in boxes:
                box = boxes[key]
                box.x, box.y = centres[key] - box.width / 2, y + (height - box.height) / 2
        edges.append((y, y + height))
        y += height
    return edges


def _xs(
    segment: Segment, boxes: Mapping[str, PlacedBox], centres: Mapping[str, float]
) -> tuple[float, float]:
    return (
        centres[segment.upper] + _end(segment.upper, segment.wire.output, boxes, entering=False),
        centres[segment.lower] + _end(segment.lower, segment.wire.port, boxes, entering=True),
    )


def _ways(
    layers: Layers,
    boxes: Mapping[str, PlacedBox],
    centres: Mapping[str, float],
    rows: Sequence[tuple[float, float]],
) -> list[Way]:
    row_of = {key: number for number, row in enumerate(layers.rows) for key in row}
    ways = []
    for segment in layers.segments:
        one, other = _xs(segment, boxes, centres)
        upper, lower = row_of[segment.upper], row_of[segment.lower]
        start = rows[upper][1]
        if segment.begins:
            box = boxes[segment.upper]
            start = box.y + box.height
        end = boxes[segment.lower].y if segment.ends else rows[lower][1]
        ways.append(
            Way(
                (one, start),
                rows[upper][1],
                rows[lower][0],
                (other, end),
                segment.wire.dashed,
                segment.ends and boxes[segment.lower].box.look != "port",
            )
        )
    return ways
