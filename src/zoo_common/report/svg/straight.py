"""Takes bends out of the wires of a drawing whose rows are placed already."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

_ROUNDS, _EFFORT = 12, 20_000
_STRAIGHT = 0.05
_BEND = 40.0


@dataclass(frozen=True)
class Pull:
    """A segment of a wire: it is straight where ``x[lower] - x[upper] == shift``."""

    upper: str
    lower: str
    shift: float
    weight: float


def straighten(
    rows: Sequence[Sequence[str]],
    halves: dict[str, float],
    between: float,
    centres: dict[str, float],
    pulls: Sequence[Pull],
) -> None:
    """Move items, with all that hangs straight from them, where that shortens wires or saves a bend.

    ``centres`` is changed; the order in the rows, and at least ``between`` from item to item, are kept.
    A bend counts only where one item follows one other: at a fork none of the branches is the straight one.
    """
    at = defaultdict(list)
    for pull in pulls:
        at[pull.upper].append(pull)
        at[pull.lower].append(pull)
    below = Counter(pull.upper for pull in pulls)
    above = Counter(pull.lower for pull in pulls)
    beside: dict[str, tuple[str | None, str | None]] = {
        key: (row[index - 1] if index else None, row[index + 1] if index + 1 < len(row) else None)
        for row in rows
        for index, key in enumerate(row)
    }

    def off(pull: Pull) -> float:
        return centres[pull.lower] - centres[pull.upper] - pull.shift

    def cost(pull: Pull, moved: float = 0.0) -> float:
        length = abs(off(pull) + moved)
        single = below[pull.upper] == 1 == above[pull.lower] or pull.weight > 1
        return pull.weight * (length + (_BEND if single and length > _STRAIGHT else 0.0))

    def hanging(start: str) -> set[str]:
        found, waiting = {start}, [start]
        while waiting:
            key = waiting.pop()
            for pull in at[key]:
                other = pull.upper if pull.lower == key else pull.lower
                if other not in found and abs(off(pull)) <= _STRAIGHT:
                    found.add(other)
                    waiting.append(other)
        return found

    def fits(group: set[str], by: float) -> bool:
        for key in group:
            other = beside[key][0 if by < 0 else 1]
            if other is not None and other not in group:
                room = abs(centres[other] - centres[key]) - halves[key] - halves[other] - between
                if room < abs(by) - _STRAIGHT:
                    return False
        return True

    def improved(start: str, by: float) -> bool:
        for group in (hanging(start), {start}):
            if not fits(group, by):
                continue
            edge = [
                (pull, key)
                for key in group
                for pull in at[key]
                if (pull.upper in group) != (pull.lower in group)
            ]
            change = sum(cost(pull, by if pull.lower == key else -by) - cost(pull) for pull, key in edge)
            if change < -_STRAIGHT:
                for key in group:
                    centres[key] += by
                return True
        return False

    for _ in range(max(2, min(_ROUNDS, _EFFORT // max(1, len(pulls))))):
        moves = [
            improved(pull.lower, -off(pull)) or improved(pull.upper, off(pull))
            for pull in sorted(pulls, key=lambda each: -each.weight)
            if abs(off(pull)) > _STRAIGHT
        ]
        if not any(moves):
            return
