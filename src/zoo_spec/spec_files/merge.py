"""Layers of a spec (a file, the files that it extends, the command line) laid over each other.

Mappings merge key by key, and a mapping that changes ``kind`` replaces what it inherits: the fields of one
kind mean nothing to another. Everything else replaces. Every value keeps the place that it came from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from zoo_spec.errors import Problem
from zoo_spec.values import Path, Value, dotted


@dataclass(frozen=True)
class Origin:
    """Where a value was written: a file and its line, or ``--set a.b=c``."""

    source: str
    line: int | None = None

    def __str__(self) -> str:
        return self.source if self.line is None else f"{self.source}:{self.line}"


@dataclass(frozen=True)
class Layer:
    """One source's values, and for each of them, mappings too, its origin."""

    mapping: dict[str, Value] = field(default_factory=dict)
    origins: dict[Path, Origin] = field(default_factory=dict)

    def origin(self, path: Path) -> Origin | None:
        """Where the value stands, or the nearest thing around it that stands anywhere."""
        for length in range(len(path), -1, -1):
            if path[:length] in self.origins:
                return self.origins[path[:length]]
        return None

    def problem(self, message: str, path: Path) -> Problem:
        """Something wrong at ``path``, with its file and line."""
        origin = self.origin(path)
        return Problem(
            message, dotted(path), origin.source if origin else None, origin.line if origin else None
        )


def merge(base: Layer, over: Layer, default_kinds: Mapping[Path, str] | None = None) -> Layer:
    """``over`` laid over ``base``; ``default_kinds`` are those of mappings in ``base`` that name none."""
    origins: dict[Path, Origin] = {}
    merger = _Merger(base.origins, over.origins, default_kinds or {}, origins)
    return Layer(merger.mapping(base.mapping, over.mapping, ()), origins)


@dataclass(frozen=True)
class _Merger:
    base: Mapping[Path, Origin]
    over: Mapping[Path, Origin]
    default_kinds: Mapping[Path, str]
    result: dict[Path, Origin]

    def mapping(self, base: dict[str, Value], over: dict[str, Value], path: Path) -> dict[str, Value]:
        """Both mappings' keys, those of ``base`` first; where both have one, ``over`` decides."""
        if "kind" in over and over["kind"] != base.get("kind", self.default_kinds.get(path)):
            self.keep(over, path, self.over)
            return over
        self.note(path, self.over)
        merged: dict[str, Value] = {}
        for key in {**base, **over}:
            place = (*path, key)
            below, above = base.get(key), over.get(key)
            if key not in over:
                merged[key] = self.keep(below, place, self.base)
            elif isinstance(below, dict) and isinstance(above, dict):
                merged[key] = self.mapping(below, above, place)
            else:
                merged[key] = self.keep(above, place, self.over)
        return merged

    def keep(self, value: Value, path: Path, origins: Mapping[Path, Origin]) -> Value:
        """The value as it is, with the origins of all its parts."""
        self.note(path, origins)
        if isinstance(value, dict):
            for key, item in value.items():
                self.keep(item, (*path, key), origins)
        elif isinstance(value, tuple):
            for index, item in enumerate(value):
                self.keep(item, (*path, index), origins)
        return value

    def note(self, path: Path, origins: Mapping[Path, Origin]) -> None:
        """Carries one origin over, if there is one."""
        if path in origins:
            self.result[path] = origins[path]
