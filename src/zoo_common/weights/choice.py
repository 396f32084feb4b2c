"""A choice among sources, and of a source."""

from __future__ import annotations

from collections.abc import Collection

from zoo_common.weights.source import WeightSource
from zoo_spec.arrays import Array


class Choice(WeightSource):
    """Each tensor from the first source that has it; the others are not asked."""

    def __init__(self, *sources: WeightSource) -> None:
        self._owners = {name: source for source in reversed(sources) for name in source}
        self.entries = {name: source.entries[name] for name, source in self._owners.items()}

    @property
    def lasts(self) -> bool:
        """Whether all of them do."""
        return all(source.lasts for source in {id(each): each for each in self._owners.values()}.values())

    def read(self, name: str) -> Array:
        """The tensor, from its source alone."""
        return self._owners[name].read(name)


class Part(WeightSource):
    """Those of another source's tensors that have these names."""

    def __init__(self, source: WeightSource, names: Collection[str]) -> None:
        self._source = source
        self.entries = {name: source.entries[name] for name in names}

    @property
    def lasts(self) -> bool:
        """Whether the other does."""
        return self._source.lasts

    def read(self, name: str) -> Array:
        """The tensor, if it is one of these."""
        if name not in self.entries:
            raise KeyError(name)
        return self._source.read(name)
