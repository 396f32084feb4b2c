"""Reversible tables from canonical names to the names that other projects give the same weights."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from zoo_spec.arrays import Array
from zoo_spec.foreign.transforms import SAME, Transform

_LEAVES = "weight|bias"


@dataclass(frozen=True)
class Entry:
    """Weights here, and what holds the same values elsewhere.

    Names are patterns: ``{leaf}`` stands for ``weight`` or ``bias``, any other ``{field}`` for a number. All
    patterns of an entry have the same fields. Tuples are for transforms of several arrays. ``optional``: some
    published files lack it, and what reads them begins with new values.
    """

    canonical: str | tuple[str, ...]
    foreign: str | tuple[str, ...]
    transform: Transform = SAME
    optional: bool = False


@dataclass(frozen=True)
class Repeat:
    """A foreign tensor that only says again what the canonical weight ``of`` says: ``value(weight)``.

    Without a ``value`` it is tied: the same tensor under another name, and a file may have either. It may be missing;
    where it is given it must hold that value. ``written`` if the source's own readers expect it. Both names may be
    patterns with the same fields.
    """

    foreign: str
    of: str
    value: Callable[[Array], Array] | None = None
    written: bool = True

    @classmethod
    def copy(cls, foreign: str, of: str) -> Repeat:
        """One that is no tie: a file that has other values there is of another model."""
        return cls(foreign, of, np.asarray)

    def of_weight(self, weight: Array) -> Array:
        """What it holds beside that weight."""
        return weight if self.value is None else self.value(weight)


@dataclass(frozen=True)
class Fixed:
    """A field of a node's block that is the same in every model of the source, whatever its configuration says."""

    node: str
    field: str
    value: str


@dataclass(frozen=True)
class Part:
    """Names that come together: those of the backbone, or of one head.

    A head is known by its weights or, if it has none of its own, by its ``node`` in the graph. ``unused`` are
    patterns of names of tensors that published files have and the source itself does not read. ``is_body``: no head,
    but a second half of the backbone, such as a decoder, for which no new values can stand. ``is_bare``: a head
    beside which the backbone's names have no prefix.
    """

    entries: tuple[Entry, ...]
    repeats: tuple[Repeat, ...] = ()
    node: str | None = None
    unused: tuple[str, ...] = ()
    fixed: tuple[Fixed, ...] = ()
    """What the source's head computes whatever its configuration says."""
    is_body: bool = False
    is_bare: bool = False


@dataclass(frozen=True)
class Row:
    """An entry with its fields filled in: arrays of one model and how they become each other.

    ``head`` numbers the heads of the table; None for what is of the backbone.
    """

    canonical: tuple[str, ...]
    foreign: tuple[str, ...]
    transform: Transform
    optional: bool = False
    head: int | None = None


@dataclass(frozen=True)
class ModelNames:
    """The table of one model: ``unnamed`` are its weights that the source has no name for."""

    rows: tuple[Row, ...]
    repeats: tuple[Repeat, ...]
    unnamed: tuple[str, ...]
    heads: frozenset[int] = frozenset()
    """The numbers of the heads that the model has."""

    @property
    def required(self) -> list[str]:
        """The foreign names that must be there."""
        return [name for row in self.rows for name in row.foreign]


@dataclass(frozen=True)
class Place:
    """A part of a family's models: a head's number, None for the backbone; ``optional`` as an entry has it."""

    head: int | None
    optional: bool


@dataclass(frozen=True)
class NameTable:
    """A family's names in one source.

    ``prefix`` stands in front of the backbone's foreign names where a head stands beside it, and may stand
    there where none does, or lack where one does. ``old_endings`` are endings of names that the source wrote once and
    still reads, and ``old_parts`` other parts of them, replaced in this order. ``filed`` are parts of today's names
    as the source's own writer still spells them in files, so that older readers know them.
    """

    backbone: Part
    heads: tuple[Part, ...] = ()
    prefix: str = ""
    old_endings: Mapping[str, str] | None = None
    old_parts: Mapping[str, str] | None = None
    filed: Mapping[str, str] | None = None

    def in_files(self, foreign: str) -> str:
        """A foreign name of today as the source's files spell it."""
        for new, old in (self.filed or {}).items():
            foreign = foreign.replace(new, old)
        return foreign

    def current(self, foreign: str) -> str:
        """A foreign name as the source spells it today."""
        for old, new in (self.old_parts or {}).items():
            foreign = foreign.replace(old, new)
        for old, new in (self.old_endings or {}).items():
            if foreign.endswith(old):
                return foreign.removesuffix(old) + new
        return foreign

    def is_prefixed(self, given: Collection[str]) -> bool:
        """Whether these names, spelled as today, have the prefix."""
        return bool(self.prefix) and any(name.startswith(self.prefix) for name in given)

    def names(
        self, weights: Collection[str], *, nodes: Collection[str] = (), prefixed: bool | None = None
    ) -> ModelNames:
        """The names of a model with these canonical ``weights`` and graph ``nodes``.

        ``prefixed`` says how names that are given look; None for how the source writes them.
        """
        known = set(weights)
        heads = {
            index: head
            for index, head in enumerate(self.heads)
            if (head.node in nodes if head.node is not None else _rows(head, known, "", None))
        }
        if prefixed is None:
            prefixed = any(not head.is_bare for head in heads.values())
        prefix = self.prefix if prefixed else ""
        parts = [
            (self.backbone, prefix),
            *((head, prefix if head.is_body else "") for head in heads.values()),
        ]
        rows = _rows(self.backbone, known, prefix, None)
        for index, head in heads.items():
            own = _rows(head, known, prefix, None) if head.is_body else _rows(head, known, "", index)
            theirs = {name for row in own for name in row.canonical}
            # What a head has of the backbone stands under the head's names.
            rows = [row for row in rows if not theirs.intersection(row.canonical)] + own
        repeats = [
            replace(repeat, foreign=before + repeat.foreign.format(**fields), of=name)
            for part, before in parts
            for repeat in part.repeats
            for name, fields in _matches(repeat.of, known)
        ]
        # A head that only repeats the backbone's weights may be given where the model has none.
        repeats += [
            replace(repeat, written=False)
            for index, head in enumerate(self.heads)
            if index not in heads and not head.entries
            for repeat in head.repeats
            if repeat.of in known
        ]
        named = {name for row in rows for name in row.canonical}
        unnamed = tuple(name for name in weights if name not in named)
        return ModelNames(tuple(rows), tuple(repeats), unnamed, frozenset(heads))

    def is_unused(self, foreign: str) -> bool:
        """Whether a name is one of the tensors that published files have and nothing reads."""
        return any(
            _regex(pattern).fullmatch(name)
            for part in (self.backbone, *self.heads)
            for pattern in part.unused
            for name in (foreign, foreign.removeprefix(self.prefix))
        )

    def place(self, foreign: str) -> Place | None:
        """Where in the family's models a name, spelled as today, has its weight; None for what no model has."""
        bare = foreign.removeprefix(self.prefix)
        for head, part, name in [
            (None, self.backbone, bare),
            *((i, each, bare if each.is_body else foreign) for i, each in enumerate(self.heads)),
        ]:
            for entry in part.entries:
                if any(_regex(pattern).fullmatch(name) for pattern in _tuple(entry.foreign)):
                    return Place(head, entry.optional)
            if any(_regex(repeat.foreign).fullmatch(name) for repeat in part.repeats):
                return Place(head, optional=True)
        return None


def _rows(part: Part, known: set[str], prefix: str, head: int | None) -> list[Row]:
    rows = []
    for entry in part.entries:
        canonical, foreign = _tuple(entry.canonical), _tuple(entry.foreign)
        for _, fields in _matches(canonical[0], known):
            ours = tuple(each.format(**fields) for each in canonical)
            if known.issuperset(ours):
                theirs = tuple(prefix + each.format(**fields) for each in foreign)
                rows.append(Row(ours, theirs, entry.transform, entry.optional, head))
    return rows


def _matches(pattern: str, known: Collection[str]) -> list[tuple[str, dict[str, str]]]:
    """The names that a pattern stands for, each with its fields."""
    if "{" not in pattern:
        return [(pattern, {})] if pattern in known else []
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
