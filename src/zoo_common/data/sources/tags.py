"""Tags as files have them: which scheme a file is in, and what its tags are in IOB2."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from pydantic import JsonValue, TypeAdapter

from zoo_common.data.entities import OUTSIDE, as_iob2, entities, split_label
from zoo_spec.data.tagged_words import TagScheme
from zoo_spec.errors import InputError

_TAG = re.compile(r"O|[BIESLU](?:-.+)?", re.DOTALL)
_CLOSING = re.compile(r"[ESLU](?:-|$)")


class Tagged(NamedTuple):
    """The tags of a sentence, and the number of each one's line, or of its sentence."""

    tags: Sequence[str]
    places: Sequence[int]


class _Seen:
    """The first place in a file of each thing that tells schemes apart."""

    def __init__(self) -> None:
        self.begun_by_i = self.begun_by_b = self.closing = self.unclosed = 0
        self.is_empty = True

    def add(self, sentence: Tagged) -> None:
        before, kind_before = "", ""
        tags, places = [*sentence.tags, OUTSIDE], [*sentence.places, sentence.places[-1]]
        for tag, place in zip(tags, places, strict=True):
            part, kind = split_label(tag)
            is_next = bool(before) and kind == kind_before
            if part == "I" and not is_next:
                self.begun_by_i = self.begun_by_i or place
            if part == "B" and not is_next:
                self.begun_by_b = self.begun_by_b or place
            if part in ("E", "S"):
                self.closing = self.closing or place
            # Of IOBES: what is begun goes on to its end, and nothing else goes on.
            is_open = before in ("B", "I")
            if is_open != (part in ("I", "E")) or (is_open and not is_next):
                self.unclosed = self.unclosed or place
            self.is_empty = self.is_empty and not part
            before, kind_before = part, kind


def told(scheme: JsonValue) -> TagScheme | None:
    """A scheme as it was kept."""
    return None if scheme is None else TypeAdapter[TagScheme](TagScheme).validate_python(scheme)


def scheme_of(sentences: Iterable[Tagged], path: str) -> TagScheme | None:
    """The scheme that all sentences of a file are in; None where no word is in an entity.

    Raises InputError for a file that is in several at once, naming a place of each.
    """
    seen = _Seen()
    for sentence in sentences:
        seen.add(sentence)
    if seen.is_empty:
        return None
    if seen.closing:
        if not seen.unclosed:
            return "iobes"
        raise _mixed(
            path,
            f"line {seen.closing} has a tag of IOBES, and at line {seen.unclosed} an entity begins or ends as none "
            "in IOBES",
        )
    if seen.begun_by_i and seen.begun_by_b:
        raise _mixed(
            path,
            f"at line {seen.begun_by_i} an entity begins with I, as in IOB1, and at line {seen.begun_by_b} with B "
            "where IOB1 has I",
        )
    return "iob1" if seen.begun_by_i else "iob2"


def _mixed(path: str, why: str) -> InputError:
    return InputError(
        f"{path}: mixes tagging schemes: {why}; mend it, or set data.scheme to the one that is meant, and what "
        "begins or ends otherwise is read as conlleval reads it"
    )


def check_tag(tag: str, scheme: TagScheme | None, where: str) -> None:
    """Raise InputError for what is no tag of the scheme, or, without one, of any."""
    if not tag:
        raise InputError(f"{where}: the tag is empty; fill it in")
    if scheme == "plain":
        return
    if not _TAG.fullmatch(tag):
        raise InputError(
            f"{where}: {tag!r} is no tag of IOB (O, B-TYPE, I-TYPE, E-TYPE, S-TYPE); name the column of the tags, or "
            "set data.scheme to plain for labels that stand for themselves, such as parts of speech"
        )
    if scheme in ("iob1", "iob2") and _CLOSING.match(tag):
        raise InputError(f"{where}: {tag!r} is a tag of IOBES, and data.scheme is {scheme}; set it to iobes")


def in_iob2(
    tags: Sequence[str], scheme: TagScheme | None, entity_type: str | None, where: str
) -> tuple[str, ...]:
    """The tags of a sentence as labels in IOB2; ``plain`` ones as they are.

    A bare tag gets the ``entity_type``; raises InputError if others name types of their own.
    """
    if scheme == "plain":
        return tuple(tags)
    found = entities(tags)
    if entity_type is not None:
        named = next((each.type for each in found if each.type), None)
        if named is not None:
            raise InputError(
                f"{where}: an entity has the type {named!r}, and data.entity_type is for tags that name none; leave "
                "it out"
            )
        found = [each._replace(type=entity_type) for each in found]
    return tuple(as_iob2(found, len(tags)))
