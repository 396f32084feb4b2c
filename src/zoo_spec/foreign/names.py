"""Reversible tables from canonical names to the names that other projects give the same weights."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Protocol, TypeAlias

import numpy as np

from zoo_spec.arrays import Array
from zoo_spec.foreign.settings import Fixed, Setting

Arrays: TypeAlias = tuple[Array, ...]

_LEAVES = "weight|bias"


class Transform(Protocol):
    """What turns the arrays of one entry into each other; each direction undoes the other exactly.

    A transform raises ValueError, saying what the arrays are, where their shapes do not allow it.
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
class Fused:
    """``parts`` weights, or biases, that are one elsewhere, one after the other along the outputs.

    With ``heads``, each head's share of every part comes before the next head's. ``transposed``: ``[in, out]``.
    """

    parts: int
    heads: int = 1
    transposed: bool = False

    def read(self, foreign: Arrays) -> Arrays:
        """One array to its parts; raises ValueError if it cannot be divided so."""
        (array,) = foreign
        array = array.T if self.transposed else array
        size, rest = divmod(len(array), self.heads * self.parts)
        if rest:
            raise ValueError(f"has {len(array)} outputs, which is no multiple of {self.heads * self.parts}")
        split = array.reshape(self.heads, self.parts, size, *array.shape[1:])
        return tuple(
            np.ascontiguousarray(split[:, part]).reshape(self.heads * size, *array.shape[1:])
            for part in range(self.parts)
        )

    def write(self, canonical: Arrays) -> Arrays:
        """The parts to one array."""
        shares = [array.reshape(self.heads, -1, *array.shape[1:]) for array in canonical]
        joined = np.concatenate(shares, axis=1).reshape(-1, *canonical[0].shape[1:])
        return (np.ascontiguousarray(joined.T if self.transposed else joined),)


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
    expect it. Both names may be patterns with the same fields.
    """

    foreign: str
    of: str
    value: Callable[[Array], Array] = lambda weight: weight
    written: bool = True


@dataclass(frozen=True)
class Part:
    """Names that come together: those of the backbone, or of one head.

    A head is known by its weights or, if it has none of its own, by its ``node`` in the graph. ``unused`` are names
    of tensors that published files have and the source itself does not read.
    """

    entries: tuple[Entry, ...]
    repeats: tuple[Repeat, ...] = ()
    node: str | None = None
    unused: tuple[str, ...] = ()
    fixed: tuple[Fixed, ...] = ()
    """What the source's head computes whatever its configuration says."""


@dataclass(frozen=True)
class Row:
    """An entry with its fields filled in: arrays of one model and how they become each other."""

    canonical: tuple[str, ...]
    foreign: tuple[str, ...]
    transform: Transform


@dataclass(frozen=True)
class ModelNames:
    """The table of one model: ``unnamed`` are its weights that the source has no name for.

    ``unused`` are tensors that may be given and hold nothing of the model.
    """

    rows: tuple[Row, ...]
    repeats: tuple[Repeat, ...]
    unnamed: tuple[str, ...]
    unused: tuple[str, ...] = ()

    @property
    def required(self) -> list[str]:
        """The foreign names that must be there."""
        return [name for row in self.rows for name in row.foreign]


@dataclass(frozen=True)
class NameTable:
    """A family's names in one source.

    ``prefix`` stands in front of the backbone's foreign names where a head stands beside it, and may stand
    there where none does. ``old_endings`` are endings of names that the source wrote once and still reads, and
    ``old_parts`` other parts of them, replaced in this order. ``bare``: published files lack the prefix even where
    the source's own model has it. ``settings`` are what the source computes with and weights do not say.
    """

    backbone: Part
    heads: tuple[Part, ...] = ()
    prefix: str = ""
    old_endings: Mapping[str, str] | None = None
    old_parts: Mapping[str, str] | None = None
    bare: bool = False
    settings: tuple[Setting, ...] = ()

    def current(self, foreign: str) -> str:
        """A foreign name as the source spells it today."""
        for old, new in (self.old_parts or {}).items():
            foreign = foreign.replace(old, new)
        for old, new in (self.old_endings or {}).items():
            if foreign.endswith(old):
                return foreign.removesuffix(old) + new
        return foreign

    def names(
        self, weights: Collection[str], *, nodes: Collection[str] = (), prefixed: bool | None = None
    ) -> ModelNames:
        """The names of a model with these canonical ``weights`` and graph ``nodes``.

        ``prefixed`` says how names that are given look; None for how the source writes them.
        """
        known = set(weights)
        heads = [head for head in self.heads if _rows(head, known, "") or head.node in nodes]
        prefix = "" if self.bare and prefixed is False else self.prefix if heads or prefixed else ""
        parts = [(self.backbone, prefix), *((head, "") for head in heads)]
        rows = [row for part, before in parts for row in _rows(part, known, before)]
        repeats = [
            replace(repeat, foreign=before + repeat.foreign.format(**fields), of=name)
            for part, before in parts
            for repeat in part.repeats
            for name, fields in _matches(repeat.of, known)
        ]
        # A head that only repeats the backbone's weights may be given where the model has none.
        repeats += [
            replace(repeat, written=False)
            for head in self.heads
            if head not in heads and not head.entries
            for repeat in head.repeats
            if repeat.of in known
        ]
        named = {name for row in rows for name in row.canonical}
        unnamed = tuple(name for name in weights if name not in named)
        unused = tuple(before + name for part, before in parts for name in part.unused)
        return ModelNames(tuple(rows), tuple(repeats), unnamed, unused)


def _rows(part: Part, known: set[str], prefix: str) -> list[Row]:
    rows = []
    for entry in part.entries:
        canonical, foreign = _tuple(entry.canonical), _tuple(entry.foreign)
        for _, fields in _matches(canonical[0], known):
            ours = tuple(each.format(**fields) for each in canonical)
            if known.issuperset(ours):
                theirs = tuple(prefix + each.format(**fields) for each in foreign)
                rows.append(Row(ours, theirs, entry.transform))
    return rows


def _matches(pattern: str, known: Collection[str]) -> list[tuple[str, dict[str, str]]]:
    """The names that a pattern stands for, each with its fields."""
    found = [(name, _regex(pattern).fullmatch(name)) for name in sorted(known)]
    return [(name, match.groupdict()) for name, match in found if match is not None]


def _tuple(names: str | tuple[str, ...]) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else names


@cache
def _regex(pattern: str) -> re.Pattern[str]:
    pieces = re.split(r"\{(\w+)\}", pattern)
    texts = [re.escape(text) for text in pieces[::2]]
    groups = [f"(?P<{field}>{_LEAVES if field == 'leaf' else '[0-9]+'})" for field in pieces[1::2]]
    return re.compile("".join(text + group for text, group in zip(texts, [*groups, ""], strict=True)))
