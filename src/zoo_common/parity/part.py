"""One of several things that a level holds: a value, its limit, and what they belong to."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Part:
    """``block`` is the path of what it is of, and ``worst`` says it in words; ``detail``: what was found.

    ``side`` is the framework that strayed, where it is known.
    """

    block: str
    value: float
    limit: float
    worst: str
    detail: str = ""
    side: str = ""

    @property
    def passed(self) -> bool:
        """Whether it holds; a NaN never does."""
        return self.value <= self.limit

    def tighter(self, other: Part) -> Part:
        """The one that stands higher beside its limit."""
        return other if not self.worst or other.value / other.limit > self.value / self.limit else self
