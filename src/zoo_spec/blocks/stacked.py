"""Children of a stack without writing each of them down: a pattern of layers, over and over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from types import MappingProxyType

from zoo_spec.blocks.base import Block, Inputs

Child = tuple[Block, Inputs]
_NONE: Mapping[str, Child] = MappingProxyType({})


@dataclass(frozen=True)
class Run:
    """A child, or ``count`` of them that are alike but for their weights: the first, and each ``step``-th after it.

    ``place`` is the first one's place among all children; ``is_layer`` says that it is what a stack repeats.
    """

    name: str
    block: Block
    inputs: Inputs
    place: int
    count: int = 1
    step: int = 1
    is_layer: bool = False

    @property
    def names(self) -> Iterator[str]:
        """All of them, by running number."""
        if self.count == 1:
            return iter((self.name,))
        stem, _, first = self.name.rpartition(".")
        return (f"{stem}.{int(first) + index * self.step}" for index in range(self.count))

    @property
    def places(self) -> range:
        """Where they stand among all children."""
        return range(self.place, self.place + self.count * self.step, self.step)


class Stacked(Mapping[str, Child]):
    """``before``, then ``number`` layers (``layers.0``, ...) by turns of ``pattern``, then ``after``.

    It reads as a mapping that has them all; what does not ask for each of them goes through ``runs``.
    """

    def __init__(
        self,
        pattern: Sequence[Child],
        number: int,
        *,
        before: Mapping[str, Child] = _NONE,
        after: Mapping[str, Child] = _NONE,
    ) -> None:
        """``pattern`` has at least one layer."""
        self.pattern, self.number, self.before, self.after = _period(pattern), number, before, after

    def __getitem__(self, name: str) -> Child:
        found = self.before.get(name) or self.after.get(name)
        if found is not None:
            return found
        stem, _, number = name.rpartition(".")
        if (
            stem == "layers"
            and number.isdecimal()
            and str(int(number)) == number
            and int(number) < self.number
        ):
            return self.pattern[int(number) % len(self.pattern)]
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return chain(self.before, (f"layers.{index}" for index in range(self.number)), self.after)

    def __len__(self) -> int:
        return len(self.before) + self.number + len(self.after)

    def runs(self) -> Iterator[Run]:
        """All children, those that are alike once: as many as the pattern has, however many layers there are."""
        for place, (name, (block, inputs)) in enumerate(self.before.items()):
            yield Run(name, block, inputs, place)
        first, period = len(self.before), len(self.pattern)
        for index, (block, inputs) in enumerate(self.pattern[: self.number]):
            count = len(range(index, self.number, period))
            yield Run(f"layers.{index}", block, inputs, first + index, count, period, is_layer=True)
        for place, (name, (block, inputs)) in enumerate(self.after.items(), first + self.number):
            yield Run(name, block, inputs, place)


def runs(children: Mapping[str, Child]) -> Iterator[Run]:
    """A block's children, those of a stack that are alike once."""
    if isinstance(children, Stacked):
        return children.runs()
    return (Run(name, *child, place) for place, (name, child) in enumerate(children.items()))


def _period(pattern: Sequence[Child]) -> tuple[Child, ...]:
    """What the pattern itself repeats, if it does: of two equal layers, one."""
    for size in range(1, len(pattern) // 2 + 1):
        if len(pattern) % size == 0 and all(
            one == other for one, other in zip(pattern[size:], pattern, strict=False)
        ):
            return tuple(pattern[:size])
    return tuple(pattern)
