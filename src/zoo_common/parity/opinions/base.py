"""What a third party, plain NumPy in float64, says that a block gives: who strayed, where two frameworks part."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import singledispatch

import numpy as np
from numpy.typing import NDArray

from zoo_common.backend import Array
from zoo_spec.blocks.base import Block
from zoo_spec.graph import Graph
from zoo_spec.random import derive_key, dropout_mask, fold_in

Floats = NDArray[np.float64]
Given = Mapping[str, Array]
"""What a block is given, by port; a port that is left out is absent."""


class NoOpinionError(Exception):
    """A block that there is no NumPy form of: the message is its kind."""


class ThirdParty:
    """Every block of a graph with these weights; in training, with the portable masks of the step and seed.

    ``fixed`` are the paths of batch norms that keep their statistics in training too.
    """

    def __init__(
        self,
        graph: Graph,
        weights: Mapping[str, Array],
        *,
        training_seed: int | None = None,
        step: int = 0,
        fixed: Collection[str] = (),
    ) -> None:
        self.fixed = frozenset(fixed)
        self.blocks = {place.path: place.block for place in graph.places()}
        self.weights = weights
        self.training_seed = training_seed
        self.step = step
        self._uses: dict[str, int] = {}

    def say(self, path: str, given: Given) -> dict[str, Array]:
        """What the block at ``path`` gives, by name, ``""`` for one that gives one tensor; raises NoOpinionError."""
        if path not in self.blocks:  # Inside a block of a user's own, which the graph does not look into.
            raise NoOpinionError(path)
        found = opinion(self.blocks[path], Seat(self, path, given))
        return found if isinstance(found, dict) else {"": found}

    def kept(self, path: str, shape: tuple[int, ...], rate: float) -> NDArray[np.bool_] | None:
        """The portable mask of a dropout, another at each use in a step; None outside training."""
        if self.training_seed is None:
            return None
        use = self._uses.get(path, 0)
        self._uses[path] = use + 1
        key = fold_in(fold_in(derive_key(self.training_seed, "dropout", path), self.step), 0)
        return dropout_mask(fold_in(key, use) if use else key, shape, rate)


class Seat:
    """A block's place in the model: what it is given, its weights and what is inside it."""

    def __init__(self, party: ThirdParty, path: str, given: Given) -> None:
        self.party = party
        self.path = path
        self.given = given

    @property
    def is_training(self) -> bool:
        """Whether statistics are the batch's own."""
        return self.party.training_seed is not None and self.path not in self.party.fixed

    def get(self, port: str) -> Array | None:
        """What a port is given, ids as they are; None if it is left out."""
        return self.given.get(port)

    def take(self, port: str = "x") -> Floats:
        """What a port is given, in float64."""
        return np.asarray(self.given[port], np.float64)

    def ids(self, port: str) -> NDArray[np.int64]:
        """What a port is given, as integers."""
        return np.asarray(self.given[port], np.int64)

    def has(self, leaf: str) -> bool:
        """Whether the block has this weight."""
        return f"{self.path}.{leaf}" in self.party.weights

    def weight(self, leaf: str) -> Floats:
        """One of the block's own weights."""
        return np.asarray(self.party.weights[f"{self.path}.{leaf}"], np.float64)

    def holds(self, name: str) -> bool:
        """Whether there is a block of this name inside."""
        return f"{self.path}.{name}" in self.party.blocks

    def inner(self, name: str, x: Array, /, **others: Array | None) -> Floats:
        """What a block inside gives for ``x`` and what else there is."""
        return next(iter(self.inner_all(name, {"x": x, **others}).values())).astype(np.float64)

    def inner_all(self, name: str, given: Mapping[str, Array | None]) -> dict[str, Array]:
        """All that a block inside gives."""
        there = {port: value for port, value in given.items() if value is not None}
        return self.party.say(f"{self.path}.{name}", there)

    def layers(self, x: Array, **others: Array | None) -> Floats:
        """What a stack's layers give, one after the other, and the norm behind them if there is one."""
        index = 0
        while self.holds(f"layers.{index}"):
            x = self.inner(f"layers.{index}", x, **others)
            index += 1
        return self.inner("norm", x) if self.holds("norm") else np.asarray(x, np.float64)


@singledispatch
def opinion(block: Block, seat: Seat) -> Array | dict[str, Array]:
    """What a block gives where it stands; raises NoOpinionError for a kind that has no NumPy form here."""
    raise NoOpinionError(block.kind)
