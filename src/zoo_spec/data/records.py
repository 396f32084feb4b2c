"""The kinds of record that a source of data gives and a task learns from; neither knows the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class Record:
    """One thing of a source's; ``where`` is its file and line, or number, for whoever has to complain of it."""

    what: ClassVar[str] = "records"
    """What messages call several of them."""
    where: str


@dataclass(frozen=True)
class LabelledText(Record):
    """One text, or two that belong together, and what people said of it.

    ``label`` is that as it stands there, None where it is a list; ``labels`` are its parts, if it has several.
    """

    what: ClassVar[str] = "labelled text"
    texts: tuple[str, ...]
    label: str | None
    labels: tuple[str, ...]
