"""Which block makes two frameworks part: the one that is given the same and gives something else.

Every run of a block is recorded, inner ones before those around them. The first that gives something else is guilty
if it was given the same. If it was not, whatever stands between the runs before it and itself is guilty: the block
around it, or the one around that, up to one that was given the same.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from zoo_common.backend import Array, BlockCall
from zoo_common.parity.compare import gap, largest


@dataclass(frozen=True)
class Pair:
    """A run of a block in both frameworks, and its number among all of the first one's."""

    number: int
    ours: BlockCall
    theirs: BlockCall

    @property
    def path(self) -> str:
        """The block's canonical path."""
        return self.ours.path


@dataclass(frozen=True)
class Guilt:
    """A block that is given the same and gives something else, or the place in front of one where none is."""

    pair: Pair
    """The guilty run, or, if ``is_wiring``, a node's that is given something else by the graph itself."""
    witness: Pair
    """The first run that gives something else: the guilty one, or one inside it."""
    gap: float
    """Of the witness."""
    is_wiring: bool = False


def find_guilty(ours: Sequence[BlockCall], theirs: Sequence[BlockCall], limit: float) -> Guilt | None:
    """The first guilty block; None if no block gives something else by more than ``limit`` of its largest value."""
    pairs = list(_paired(ours, theirs))
    for pair in pairs:
        apart = _apart(pair.ours.gave, pair.theirs.gave)
        if apart > limit:
            return _climb(pair, pairs, apart, limit)
    return None


def _climb(witness: Pair, pairs: Sequence[Pair], apart: float, limit: float) -> Guilt:
    pair = witness
    while not is_given_the_same(pair, limit):
        around = next((each for each in pairs if each.number > pair.number and _is_around(each, pair)), None)
        if around is None:
            return Guilt(pair, witness, apart, is_wiring=True)
        pair = around
    return Guilt(pair, witness, apart)


def _is_around(outer: Pair, inner: Pair) -> bool:
    return inner.path.startswith(f"{outer.path}.")


def is_given_the_same(pair: Pair, limit: float) -> bool:
    """Whether both frameworks hand the block the same, and the same optional inputs."""
    return (
        len(pair.ours.given) == len(pair.theirs.given)
        and _apart(pair.ours.named, pair.theirs.named) <= limit
        and all(
            _gap(one, other) <= limit for one, other in zip(pair.ours.given, pair.theirs.given, strict=True)
        )
    )


def _paired(ours: Sequence[BlockCall], theirs: Sequence[BlockCall]) -> Iterator[Pair]:
    """The runs that there are in both, the first of a block with the first, the second with the second."""
    others: dict[str, list[BlockCall]] = {}
    for call in theirs:
        others.setdefault(call.path, []).append(call)
    met: dict[str, int] = {}
    for number, call in enumerate(ours):
        index = met[call.path] = met.get(call.path, -1) + 1
        if index < len(others.get(call.path, ())):
            yield Pair(number, call, others[call.path][index])


def _apart(ours: Mapping[str, Array], theirs: Mapping[str, Array]) -> float:
    if set(ours) != set(theirs):
        return math.inf
    return max((_gap(value, theirs[name]) for name, value in ours.items()), default=0.0)


def _gap(ours: Array, theirs: Array) -> float:
    if ours.shape == theirs.shape and np.array_equal(ours, theirs, equal_nan=ours.dtype.kind == "f"):
        return 0.0
    return gap(theirs, ours, largest(ours))
