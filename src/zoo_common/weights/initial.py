"""The initial values of a seed."""

from __future__ import annotations

from collections.abc import Mapping

from zoo_common.weights.source import Entry, WeightSource
from zoo_spec.arrays import Array
from zoo_spec.parameters import Parameter


class InitialValues(WeightSource):
    """What a table of parameters begins with, drawn by ``(seed, name)``."""

    def __init__(self, table: Mapping[str, Parameter], seed: int) -> None:
        self._table = table
        self._seed = seed
        self.entries = {name: Entry("float32", parameter.shape) for name, parameter in table.items()}

    def read(self, name: str) -> Array:
        """The values, drawn now."""
        parameter = self._table[name]
        return parameter.initializer.draw(self._seed, name, parameter.shape)
