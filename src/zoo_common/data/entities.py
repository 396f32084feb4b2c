"""Entities out of the labels of words, by the rules of conlleval (Tjong Kim Sang & Buchholz, 2000).

A label is ``O``, or a letter that says which part of an entity a word is, with ``-`` and the entity's type, which may
be missing: ``B`` begins one, ``I`` goes on with it, ``E`` or ``L`` ends it, ``S`` or ``U`` is a whole one. A sequence
that is ill-formed is read as far as it goes: whatever changes the type, or follows no entity, begins one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

OUTSIDE = "O"
_PARTS = {"B": "B", "I": "I", "E": "E", "L": "E", "S": "S", "U": "S"}


class Entity(NamedTuple):
    """Words ``first`` to ``last - 1``, which are one thing of a type."""

    type: str
    first: int
    last: int


def split_label(label: str) -> tuple[str, str]:
    """A label's part, ``B``, ``I``, ``E`` or ``S``, and its type; the part is empty for what is in no entity."""
    letter, _, kind = label.partition("-")
    part = _PARTS.get(letter, "")
    return (part, kind) if part else ("", "")


def is_of_entities(labels: Iterable[str]) -> bool:
    """Whether labels say which part of an entity a word is; parts of speech, say, stand for themselves."""
    return any(split_label(label)[0] in ("B", "I") for label in labels)


def entities(labels: Sequence[str]) -> list[Entity]:
    """The entities of a sentence in their order."""
    found: list[Entity] = []
    first, before, kind_before = 0, "", ""
    for place, label in enumerate([*labels, OUTSIDE]):
        part, kind = split_label(label)
        goes_on = part in ("I", "E") and before in ("B", "I") and kind == kind_before
        if before and not goes_on:
            found.append(Entity(kind_before, first, place))
        if part and not goes_on:
            first = place
        before, kind_before = part, kind
    return found


def each_labelled(labels: Sequence[str]) -> list[Entity]:
    """Each word by itself, as conlleval's raw form (``-r``) takes labels that stand for themselves; ``O`` is none."""
    return [Entity(label, place, place + 1) for place, label in enumerate(labels) if label != OUTSIDE]


def as_iob2(found: Iterable[Entity], words: int) -> list[str]:
    """The label of each of so many words."""
    labels = [OUTSIDE] * words
    for kind, first, last in found:
        ending = f"-{kind}" if kind else ""
        labels[first:last] = [f"B{ending}", *[f"I{ending}"] * (last - first - 1)]
    return labels
