"""The shipped specs by family: how many there are of each, and how large they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from zoo_common.report.catalog import FamilyFacts, Shipped
from zoo_common.units import parameters_text


@dataclass(frozen=True)
class Family:
    """A family with its shipped specs, by domain and use, and the smallest first."""

    facts: FamilyFacts
    specs: tuple[Shipped, ...]

    @property
    def domain(self) -> str:
        """What its specs read; ``any`` where they read different things."""
        found = dict.fromkeys(row.domain for row in self.specs)
        return next(iter(found)) if len(found) == 1 else "any"

    @property
    def sizes(self) -> tuple[str, str]:
        """The fewest parameters and the most, in short."""
        least, most = (pick(row.parameters for row in self.specs) for pick in (min, max))
        return parameters_text(least), parameters_text(most)

    @property
    def tasks(self) -> tuple[str, ...]:
        """Every task that fits one of them."""
        return tuple(dict.fromkeys(task for row in self.specs for task in row.tasks))

    @property
    def about(self) -> str:
        """Its paper's title; of wired models, what they are."""
        return self.facts.paper or "wired out of blocks, in YAML"


def by_family(rows: Sequence[Shipped], facts: Sequence[FamilyFacts]) -> list[Family]:
    """The families of these specs, by domain and name; those of several domains last."""
    order = {row.domain: place for place, row in reversed(list(enumerate(rows)))}
    found = [Family(each, tuple(row for row in rows if row.family == each.family)) for each in facts]
    return sorted(found, key=lambda each: (order.get(each.domain, len(rows)), each.facts.family))
