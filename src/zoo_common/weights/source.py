"""A source of weights: what it has is known at once, and each tensor is made when it is asked for."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from zoo_spec.arrays import Array, as_array


@dataclass(frozen=True)
class Entry:
    """What is known of a tensor before it is read."""

    dtype: str
    shape: tuple[int, ...]


class WeightSource(Mapping[str, Array]):
    """Tensors by name. Whoever reads one has it for himself; the source keeps none, so each reading costs anew.

    As a mapping it goes wherever arrays by name do. Names, membership and length read nothing.
    """

    entries: Mapping[str, Entry]
    """Every tensor's dtype and shape."""

    @property
    def lasts(self) -> bool:
        """Whether it can be read for as long as somebody holds it, and as cheaply as a file is read."""
        return False

    @abstractmethod
    def read(self, name: str) -> Array:
        """The tensor, in memory of its own. Raises KeyError for a name that is not there."""

    def __getitem__(self, name: str) -> Array:
        return self.read(name)

    def __contains__(self, name: object) -> bool:
        return name in self.entries

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)


class Arrays(WeightSource):
    """Arrays that somebody holds already, or either framework's tensors; InputError for what is neither."""

    def __init__(self, values: Mapping[str, object]) -> None:
        self._arrays = {name: as_array(name, value) for name, value in values.items()}
        self.entries = {name: Entry(array.dtype.name, array.shape) for name, array in self._arrays.items()}

    def read(self, name: str) -> Array:
        """A copy."""
        return np.array(self._arrays[name])


def as_source(values: Mapping[str, object]) -> WeightSource:
    """The source itself, or one of these arrays."""
    return values if isinstance(values, WeightSource) else Arrays(values)
