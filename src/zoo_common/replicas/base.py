"""What replicas can say to each other, whatever carries it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from zoo_spec.errors import EnvironmentFault

Array = NDArray[np.generic]


class PeerLostError(EnvironmentFault):
    """Another replica has gone, or did not answer in time (exit status 3)."""


class Replicas(Protocol):
    """This process among those that train one model together; every method is called by all, in the same order.

    Each raises PeerLostError where another replica has gone, or has not come within the time that was set.
    """

    rank: int
    """Which one this is, counted from 0."""
    size: int
    """How many there are."""

    def sum(self, values: Mapping[str, Array]) -> dict[str, Array]:
        """The sums over all replicas, by name, on every one: the same bits."""

    def gather(self, item: bytes) -> list[bytes]:
        """What each replica gave, by rank, on every one."""

    def barrier(self) -> None:
        """Return when all have come here."""

    def leave(self) -> None:
        """Have no more to do with the others, who must have come to the end too. Leaving twice does nothing."""


class _Alone:
    rank = 0
    size = 1

    def sum(self, values: Mapping[str, Array]) -> dict[str, Array]:
        return dict(values)

    def gather(self, item: bytes) -> list[bytes]:
        return [item]

    def barrier(self) -> None:
        return

    def leave(self) -> None:
        return


ALONE: Replicas = _Alone()
"""One process, which has nobody to talk to."""


def told(replicas: Replicas, value: JsonValue) -> JsonValue:
    """What replica 0 gives, on every one of them."""
    found: JsonValue = json.loads(_gathered(replicas, value)[0])
    return found


def least(replicas: Replicas, value: int) -> int:
    """The smallest of what they give, on every one of them."""
    return min(each for each in gathered(replicas, value) if isinstance(each, int))


def gathered(replicas: Replicas, value: JsonValue) -> list[JsonValue]:
    """What each gives, by rank, on every one of them."""
    return [json.loads(item) for item in _gathered(replicas, value)]


def _gathered(replicas: Replicas, value: JsonValue) -> list[bytes]:
    return replicas.gather(json.dumps(value).encode())
