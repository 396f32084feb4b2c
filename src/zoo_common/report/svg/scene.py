"""What a drawing of a graph shows: boxes with lines of text, and wires between them; no positions yet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

Look = Literal["input", "output", "block", "weights", "loss", "frame", "port", "sum"]
"""``weights`` is a block with parameters, ``frame`` one whose inside is drawn, ``port`` and ``sum`` are those
of an inside: what enters and leaves it, and an addition."""

TITLE, TEXT, SMALL = 13.0, 11.0, 10.0
"""Sizes of type, in pixels: a box's name, what is said of it, a port's name."""

_EMS = {
    **dict.fromkeys("iljtfrI.,:;'|![]()· ", 0.40),
    **dict.fromkeys("ABCDEFGHKLNOPQRSTUVXYZ", 0.79),
    **dict.fromkeys("×+=<>~&→", 0.84),
    **dict.fromkeys("mwMW@%…", 1.0),
}
"""Widths of letters in DejaVu Sans, the widest of the usual fonts, rounded up, as parts of the size."""


@dataclass(frozen=True)
class Wire:
    """From a box's output to another's port.

    ``label`` and ``output_label`` are what is written at its ends: nothing, where it would say nothing.
    """

    source: str
    target: str
    output: str = ""
    port: str = ""
    label: str = ""
    output_label: str = ""
    dashed: bool = False


@dataclass(frozen=True)
class Box:
    """A box with its name and lines of text.

    ``stage``: all boxes of a later stage are below all of an earlier one. ``count`` above 1 draws a pile of
    as many, each with weights of its own.
    """

    title: str
    look: Look
    lines: Sequence[str] = ()
    stage: int = 0
    dashed: bool = False
    count: int = 1
    inside: Scene | None = None


@dataclass
class Scene:
    """Boxes by key, in the order in which they are to be read, and the wires between them.

    From the stage ``band`` on, if there is one, boxes are set apart from those above.
    """

    boxes: dict[str, Box] = field(default_factory=dict)
    wires: list[Wire] = field(default_factory=list)
    band: int | None = None

    def chain(self, *keys: str) -> None:
        """Wires from each box to the next."""
        self.wires += [Wire(one, other, port=one) for one, other in pairwise(keys)]


def text_width(text: str, size: float, *, bold: bool = False) -> float:
    """How wide a text is in pixels at most, in the usual sans-serif fonts."""
    ems = sum(_EMS.get(letter, 0.64 if ord(letter) < 0x2E80 else 1.05) for letter in text)
    return ems * size * (1.1 if bold else 1.0)
