"""What a run draws a part of: by ``ZOO_RANDOM_SEED``, which the report begins with; all with ``--all-cases``."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
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


def some(what: str, choices: Sequence[Choice], count: int = 1) -> list[Choice]:
    """``count`` of the choices, others from run to run."""
    return list(choices) if all_cases() else random.Random(f"{SEED} {what}").sample(list(choices), count)


def shared_out(what: str, cases: Sequence[str], tools: Sequence[str]) -> dict[str, list[str]]:
    """By tool the cases that meet it: each meets one, and every tool some."""
    return {tool: [case for case in cases if tool in turns(what, cases, case, tools)] for tool in tools}


def cover(
    what: str, found: Mapping[Name, Iterable[Hashable]], effort: Callable[[Name], float] = lambda name: 1.0
) -> tuple[Name, ...]:
    """Of the names some that have whatever any of them has, with little effort, by turns where several would do.

    Each time the one that adds most for what it takes; one of which others came to have all is left out again.
    """
    parts = {name: frozenset(each) for name, each in found.items()}
    order = sorted(parts)
    draw = random.Random(f"{SEED} {what}")
    draw.shuffle(order)
    takes = {name: effort(name) * draw.uniform(1.0, 1.5) for name in order}
    everything = frozenset().union(*parts.values())
    left, chosen = everything, []
    while left:
        best = max(order, key=lambda name: len(left & parts[name]) / takes[name])
        left -= parts[best]
        chosen.append(best)
    for name in sorted(chosen, key=lambda name: -takes[name]):
        others = [other for other in chosen if other != name]
        if frozenset().union(*(parts[other] for other in others)) == everything:
            chosen = others
    return tuple(sorted(chosen))
