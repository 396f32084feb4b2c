"""What a planted defect is: one text of a source file for another, and where it shows."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Side = Literal["torch", "tf", "both"]
Change = tuple[str, str]
"""A text that stands once in its file, and what is put in its place."""
ROOMS = {"torch": "zoo_torch", "tf": "zoo_tf"}


@dataclass(frozen=True)
class Defect:
    """A defect of one framework's half, or of what both share (``both``: parity alone cannot see it).

    ``file`` is relative to ``src``. ``spec`` and ``sets`` are a shipped spec and overrides of it with which the
    defect shows. ``place`` is the pattern of the block, parameter or moment that a report should name.
    """

    name: str
    kind: str
    side: Side
    file: str
    change: Change
    spec: str
    place: str = "*"
    sets: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.name} ({self.side})"

    @property
    def digest(self) -> str:
        """Another for every other patch, spec or override."""
        return hashlib.sha256(repr((self.file, self.change, self.spec, self.sets)).encode()).hexdigest()

    def occurrences(self, src: Path) -> int:
        """How often the text to replace stands in the file; 0 without the file."""
        path = src / self.file
        return path.read_text(encoding="utf-8").count(self.change[0]) if path.is_file() else 0

    def plant(self, src: Path) -> None:
        """Put it into a copy of the source; raises ValueError unless its text stands there once."""
        found = self.occurrences(src)
        if found != 1:
            raise ValueError(f"{self}: its text stands {found} times in src/{self.file}; bring it up to date")
        path = src / self.file
        path.write_text(path.read_text(encoding="utf-8").replace(*self.change), encoding="utf-8")


def halves(
    name: str,
    kind: str,
    file: str,
    spec: str,
    place: str,
    *,
    torch: Change | None = None,
    tf: Change | None = None,
    sets: tuple[str, ...] = (),
) -> tuple[Defect, ...]:
    """The same defect in each half for which there is a text, in twin files."""
    given: dict[Side, Change | None] = {"torch": torch, "tf": tf}
    return tuple(
        Defect(name, kind, side, f"{ROOMS[side]}/{file}", change, spec, place, sets)
        for side, change in given.items()
        if change is not None
    )


def common(
    name: str, kind: str, file: str, spec: str, change: Change, sets: tuple[str, ...] = ()
) -> tuple[Defect, ...]:
    """A defect in what both frameworks compute alike from."""
    return (Defect(name, kind, "both", file, change, spec, "", sets),)
