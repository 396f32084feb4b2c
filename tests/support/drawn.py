"""What a run draws a part of: by ``ZOO_RANDOM_SEED``, which the report begins with; all with ``--all-cases``."""

from __future__ import annotations

import os
import random
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import TypeVar

SEED = int(os.environ["ZOO_RANDOM_SEED"])
ALL_CASES = "ZOO_ALL_CASES"
"""Set in the environment by ``--all-cases``, before any test module is imported."""

Choice = TypeVar("Choice")
Name = TypeVar("Name", bound=Hashable)


def all_cases() -> bool:
    """Whether nothing is to be drawn."""
    return ALL_CASES in os.environ


def turns(
    what: str, cases: Sequence[str], case: str, choices: Sequence[Choice], count: int = 1
) -> list[Choice]:
    """``count`` of the choices, which the cases take turns at: none is left out as long as there are cases.

    Which case begins differs from run to run, and from one thing that is drawn (``what``) to the next.
    """
    if all_cases() or len(choices) <= count:
        return list(choices)
    order = list(cases)
    random.Random(f"{SEED} {what}").shuffle(order)
    first = count * order.index(case)
    return [choices[(first + step) % len(choices)] for step in range(count)]


def shared_out(what: str, cases: Sequence[str], tools: Sequence[str]) -> dict[str, list[str]]:
    """By tool the cases that meet it: each meets one, and every tool some."""
    return {tool: [case for case in cases if tool in turns(what, cases, case, tools)] for tool in tools}


def cover(what: str, found: Mapping[Name, Iterable[Hashable]]) -> tuple[Name, ...]:
    """Of the names as few as have whatever any of them has, by turns where several would do."""
    parts = {name: frozenset(each) for name, each in found.items()}
    order = sorted(parts)
    random.Random(f"{SEED} {what}").shuffle(order)
    left, chosen = frozenset().union(*parts.values()), []
    while left:
        best = max(order, key=lambda name: len(left & parts[name]))
        left -= parts[best]
        chosen.append(best)
    return tuple(sorted(chosen))
