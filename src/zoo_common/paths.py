"""Ways of computing the same thing that code chooses between, and a switch that fixes the choice."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Literal

Part = Literal["blocks", "call", "update", "gradients"]
"""What takes a path: blocks when they run, whoever calls the model, an optimizer in an update, or a training pass."""

_choices: dict[str, Choice] = {}


class Choice:
    """What is chosen by size, dtype, device or a measurement: one of its ``ways``, none of which changes a result.

    A path is called by the choice and the way, such as ``attention fused``. Parity fixes each in turn, so that all
    are compared, whatever would have been chosen. ``of`` is a module of the package whose models alone choose; None:
    any model may.
    """

    def __init__(self, name: str, *ways: str, part: Part = "blocks", of: str | None = None) -> None:
        self.name = name
        self.ways = ways
        self.part = part
        self.of = of
        self.way: str | None = None
        """The way that is fixed, if one is."""
        _choices[name] = self

    def taken(self, best: str) -> str:
        """The way to go: the one that is fixed, else ``best``."""
        return best if self.way is None else self.way


def paths(*parts: Part) -> list[str]:
    """The paths of all choices in these parts of what is imported, of either framework."""
    return [
        f"{choice.name} {way}" for choice in _choices.values() if choice.part in parts for way in choice.ways
    ]


def concerns(path: str, model: object) -> bool:
    """Whether a model may go another way where this path is fixed than where another of the same choice is."""
    of = _choices[path.rpartition(" ")[0]].of
    return of is None or _package(of) in {_package(each.__module__) for each in type(model).__mro__}


def _package(module: str) -> str:
    return module.partition(".")[0]


@contextlib.contextmanager
def fixed(path: str) -> Iterator[None]:
    """Take this path, one of ``paths``, while it lasts."""
    name, _, way = path.rpartition(" ")
    choice = _choices[name]
    before, choice.way = choice.way, way
    try:
        yield
    finally:
        choice.way = before
