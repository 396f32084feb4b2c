"""A graph's drawing as an SVG document."""

from __future__ import annotations

from collections.abc import Mapping
from xml.etree import ElementTree as Xml

from zoo_common.report.svg.graph import LOSS, scene_of
from zoo_common.report.svg.layout import (
    BAND,
    LINE,
    PAD,
    PILE,
    PORT_LINE,
    Placed,
    PlacedBox,
    Port,
    Way,
    place,
)
from zoo_common.report.svg.scene import SMALL, TEXT, TITLE, text_width
from zoo_common.screen import visible
from zoo_spec.errors import InputError
from zoo_spec.experiment import ExperimentSpec

_FONT = "Helvetica, Arial, 'DejaVu Sans', sans-serif"
_MARGIN, _HEAD, _BAND = 24.0, 52.0, 14.0
_MOST_NODES = 300
"""Of a graph: several times the largest that is shipped, and what is laid out in seconds."""
_INK, _PALE = "#222222", "#666666"
_FILLS = {
    "input": ("#ffffff", "#0072B2"),
    "output": ("#ffffff", "#222222"),
    "block": ("#f4f4f4", "#999999"),
    "weights": ("#e3f0fa", "#0072B2"),
    "frame": ("#f7fbff", "#0072B2"),
    "loss": ("#fff3df", "#D58A00"),
    "sum": ("#ffffff", "#444444"),
}
"""Inside and edge of a box by its look, from Okabe and Ito's colours."""

_LEGEND = "blue: has parameters · grey: has none · dashed: may be left out"


def to_svg(spec: ExperimentSpec) -> str:
    """The spec's graph: inputs at the top, outputs below, the loss and what only it needs apart from them."""
    graph = spec.graph()
    if len(graph.nodes) > _MOST_NODES:
        raise InputError(
            f"{spec.name} has {len(graph.nodes):,} nodes, and a drawing has room for {_MOST_NODES}; "
            "'zoo describe' lists them"
        )
    scene = scene_of(graph)
    placed = place(scene)
    title = spec.name
    about = f"{spec.model.kind}, task {spec.task.kind}, "
    about += f"{graph.parameter_count:,} parameters"
    needed = [text_width(title, 18, bold=True), text_width(about, 12), text_width(_LEGEND, SMALL)]
    width = max([placed.width + 2 * _BAND, *needed]) + 2 * _MARGIN
    height = placed.height + _HEAD + 2 * _MARGIN + 2 * _BAND
    root = Xml.Element(
        "svg",
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "viewBox": f"0 0 {_number(width)} {_number(height)}",
            "width": _number(width),
            "height": _number(height),
            "font-family": _FONT,
        },
    )
    Xml.SubElement(root, "title").text = visible(f"{title}: {about}")
    _rectangle(root, 0, 0, width, height, fill="#ffffff")
    _text(root, _MARGIN, _MARGIN + 14, title, 18, weight="bold", anchor="start")
    _text(root, _MARGIN, _MARGIN + 32, about, 12, fill=_PALE, anchor="start")
    _text(root, _MARGIN, height - 10, _LEGEND, SMALL, fill=_PALE, anchor="start")
    left, top = (width - placed.width) / 2, _MARGIN + _HEAD
    starts = [box.y for box in placed.boxes.values() if box.box.stage >= LOSS]
    if starts:
        start = top + min(starts) - BAND
        _rectangle(
            root, _MARGIN / 2, start, width - _MARGIN, top + placed.height + _BAND - start,
            fill="#fffaf0", stroke="#E69F00", radius=8, dashed=True,
        )  # fmt: skip
        _text(
            root,
            _MARGIN,
            start + 16,
            "loss",
            TEXT,
            fill="#8a5a00",
            anchor="start",
        )
    drawing = Xml.SubElement(root, "g", {"transform": f"translate({_number(left)} {_number(top)})"})
    _draw(drawing, placed)
    Xml.indent(root)
    return Xml.tostring(root, encoding="unicode") + "\n"


def _draw(parent: Xml.Element, placed: Placed) -> None:
    for way in placed.ways:
        _draw_way(parent, way)
    for box in placed.boxes.values():
        _draw_box(parent, box)


def _draw_way(parent: Xml.Element, way: Way) -> None:
    (x, start), (to_x, end) = way.start, way.end
    if way.arrow:
        tip, end = end, end - 6
        points = " ".join(
            f"{_number(a)},{_number(b)}" for a, b in ((to_x - 4, end), (to_x + 4, end), (to_x, tip))
        )
        Xml.SubElement(parent, "polygon", {"points": points, "fill": _PALE})
    arrive = min(way.arrive, end)
    middle = (way.leave + arrive) / 2
    path = f"M{_number(x)} {_number(start)}V{_number(way.leave)}"
    if abs(x - to_x) > 0.05:
        path += f"C{_number(x)} {_number(middle)} {_number(to_x)} {_number(middle)} {_number(to_x)} {_number(arrive)}"
    path += f"V{_number(end)}"
    style = {"d": path, "fill": "none", "stroke": _PALE, "stroke-width": "1.3"}
    Xml.SubElement(parent, "path", {**style, **({"stroke-dasharray": "4 3"} if way.dashed else {})})


def _draw_box(parent: Xml.Element, placed: PlacedBox) -> None:
    box = placed.box
    group = Xml.SubElement(parent, "g", {"transform": f"translate({_number(placed.x)} {_number(placed.y)})"})
    if box.look == "port":
        _text(group, placed.width / 2, 12, box.title, SMALL, fill=_PALE)
        return
    pile = PILE if box.count > 1 else 0.0
    width, height = placed.width - pile, placed.height - pile
    fill, edge = _FILLS[box.look]
    radius = {"sum": width / 2, "input": 12, "output": 12}.get(box.look, 4)
    if pile:
        _rectangle(group, pile, pile, width, height, fill=fill, stroke=edge, radius=radius)
    _rectangle(group, 0, 0, width, height, fill=fill, stroke=edge, radius=radius, dashed=box.dashed)
    if box.look == "sum":
        _text(group, width / 2, height / 2 + 5, box.title, TITLE + 2)
        return
    y = PAD
    if any(port.label for port in placed.ports.values()):
        _draw_ports(group, placed.ports, y + 3)
        y += PORT_LINE
    _text(group, width / 2, y + 11, box.title, TITLE, weight="bold")
    for line in box.lines:
        y += LINE
        _text(group, width / 2, y + 11, line, TEXT, fill=_PALE if line.startswith("→") else _INK)
    y += LINE
    if placed.inside is not None:
        inner = Xml.SubElement(
            group,
            "g",
            {"transform": f"translate({_number((width - placed.inside.width) / 2)} {_number(y + PAD / 2)})"},
        )
        _draw(inner, placed.inside)
    _draw_ports(group, placed.outputs, height - 4)


def _draw_ports(parent: Xml.Element, ports: Mapping[str, Port], y: float) -> None:
    for port in ports.values():
        if port.label:
            _text(parent, port.x, y, port.label, SMALL, fill=_PALE)


def _rectangle(
    parent: Xml.Element,
    x: float,
    y: float,
    width: float,
    height: float,
    *,
    fill: str,
    stroke: str = "none",
    radius: float = 0.0,
    dashed: bool = False,
) -> None:
    numbers = {"x": x, "y": y, "width": width, "height": height, "rx": radius}
    style = {"fill": fill, "stroke": stroke, **({"stroke-dasharray": "5 3"} if dashed else {})}
    Xml.SubElement(parent, "rect", {**{name: _number(value) for name, value in numbers.items()}, **style})


def _text(
    parent: Xml.Element,
    x: float,
    y: float,
    text: str,
    size: float,
    *,
    fill: str = _INK,
    weight: str = "normal",
    anchor: str = "middle",
) -> None:
    style = {"font-size": _number(size), "fill": fill, "font-weight": weight, "text-anchor": anchor}
    Xml.SubElement(parent, "text", {"x": _number(x), "y": _number(y), **style}).text = visible(text)


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
