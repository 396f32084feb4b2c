"""Reversible tables from canonical names to the names that other projects give the same weights."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.generic]
Arrays: TypeAlias = tuple[Array, ...]

_LEAVES = "weight|bias"


class Transform(Protocol):
    """What turns the arrays of one entry into each other; each direction undoes the other exactly.

    Fused or interleaved projections, which are one array elsewhere and three here, are further transforms.
    """

    def read(self, foreign: Arrays) -> Arrays:
        """Foreign arrays, in the entry's order, to canonical ones."""
        ...

    def write(self, canonical: Arrays) -> Arrays:
        """Canonical arrays to foreign ones."""
        ...


class Same:
    """Another name, the same arrays."""

    def read(self, foreign: Arrays) -> Arrays:
        """As they are."""
        return foreign

    def write(self, canonical: Arrays) -> Arrays:
        """As they are."""
        return canonical


class Transpose:
    """Matrices stored ``[in, out]`` elsewhere."""

    def read(self, foreign: Arrays) -> Arrays:
        """``[in, out]`` to ``[out, in]``."""
        return tuple(np.ascontiguousarray(array.T) for array in foreign)

    def write(self, canonical: Arrays) -> Arrays:
        """``[out, in]`` to ``[in, out]``."""
        return self.read(canonical)


SAME, TRANSPOSE = Same(), Transpose()


@dataclass(frozen=True)
class Entry:
    """Weights here, and what holds the same values elsewhere.

    Names are patterns: ``{leaf}`` stands for ``weight`` or ``bias``, any other ``{field}`` for a number. All
    patterns of an entry have the same fields. Tuples are for transforms of several arrays.
    """

    canonical: str | tuple[str, ...]
    foreign: str | tuple[str, ...]
    transform: Transform = SAME


@dataclass(frozen=True)
class Repeat:
    """A foreign tensor that only says again what the canonical weight ``of`` says: ``value(weight)``.

    It may be missing; where it is given it must hold that value. ``written`` if the source's own readers
    expect it.
    """

    foreign: str
    of: str
    value: Callable[[Array], Array] = lambda weight: weight
    written: bool = True


@dataclass(frozen=True)
class Part:
    """Names that come together: those of the backbone, or of one head."""

    entries: tuple[Entry, ...]
    repeats: tuple[Repeat, ...] = ()


@dataclass(frozen=True)
class Row:
    """An entry with its fields filled in: arrays of one model and how they become each other."""

    canonical: tuple[str, ...]
    foreign: tuple[str, ...]
    transform: Transform


@dataclass(frozen=True)
class ModelNames:
    """The table of one model: ``unnamed`` are its weights that the source has no name for."""

    rows: tuple[Row, ...]
    repeats: tuple[Repeat, ...]
    unnamed: tuple[str, ...]

    @property
    def required(self) -> list[str]:
        """The foreign names that must be there."""
        return [name for row in self.rows for name in row.foreign]


@dataclass(frozen=True)
class NameTable:
    """A family's names in one source.

    ``prefix`` stands in front of the backbone's foreign names where a head stands beside it, and may stand
    there where none does. ``old_endings`` are endings of names that the source wrote once and still reads.
    """

    backbone: Part
    heads: tuple[Part, ...] = ()
    prefix: str = ""
    old_endings: Mapping[str, str] | None = None

    def current(self, foreign: str) -> str:
        """A foreign name as the source spells it today."""
        for old, new in (self.old_endings or {}).items():
            if foreign.endswith(old):
                return foreign.removesuffix(old) + new
        return foreign

    def names(self, weights: Collection[str], *, prefixed: bool = False) -> ModelNames:
        """The names of a model with these canonical ``weights``; without a head, ``prefixed`` says which."""
        known = set(weights)
        heads = [head for head in self.heads if _rows(head, known, "")]
        prefix = self.prefix if heads or prefixed else ""
        parts = [(self.backbone, prefix), *((head, "") for head in heads)]
        rows = [row for part, before in parts for row in _rows(part, known, before)]
        repeats = [
            replace(repeat, foreign=before + repeat.foreign)
            for part, before in parts
            for repeat in part.repeats
            if repeat.of in known
        ]
        named = {name for row in rows for name in row.canonical}
        return ModelNames(tuple(rows), tuple(repeats), tuple(name for name in weights if name not in named))


def _rows(part: Part, known: set[str], prefix: str) -> list[Row]:
    rows = []
    for entry in part.entries:
        canonical, foreign = _tuple(entry.canonical), _tuple(entry.foreign)
        pattern = _regex(canonical[0])
        for name in sorted(known):
            found = pattern.fullmatch(name)
            if found is None:
                continue
            fields = found.groupdict()
            ours = tuple(each.format(**fields) for each in canonical)
            if known.issuperset(ours):
                theirs = tuple(prefix + each.format(**fields) for each in foreign)
                rows.append(Row(ours, theirs, entry.transform))
    return rows


def _tuple(names: str | tuple[str, ...]) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else names


@cache
def _regex(pattern: str) -> re.Pattern[str]:
    pieces = re.split(r"\{(\w+)\}", pattern)
    texts = [re.escape(text) for text in pieces[::2]]
    groups = [f"(?P<{field}>{_LEAVES if field == 'leaf' else '[0-9]+'})" for field in pieces[1::2]]
    return re.compile("".join(text + group for text, group in zip(texts, [*groups, ""], strict=True)))
