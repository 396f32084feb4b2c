"""Whether a run is asked to end, by SIGTERM: of one process, or of replicas, which have to agree on the step."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Protocol, TypeVar

from zoo_common.replicas import Replicas, gathered
from zoo_common.training.stop import StopRequest

T = TypeVar("T")

_EVERY = 0.2
"""Seconds between two questions, about: each is a message to all."""


class Stopping(Protocol):
    """Asked once after every step."""

    def asked(self, step: int) -> bool:
        """Whether the run ends after this step."""

    def late(self) -> bool:
        """Whether it was asked to since then."""

    def unless_asked(self, work: Callable[[], T]) -> T | None:
        """What ``work`` returns; None where the request was made before, or breaks it off."""


def stopping(request: StopRequest, replicas: Replicas) -> Stopping:
    """Of one process, or of several."""
    return _Own(request) if replicas.size == 1 else _Agreed(request, replicas)


class _Own:
    def __init__(self, request: StopRequest) -> None:
        self._request = request

    def asked(self, step: int) -> bool:
        return self._request.is_made

    def late(self) -> bool:
        return self._request.is_made

    def unless_asked(self, work: Callable[[], T]) -> T | None:
        return self._request.unless_made(work)


class _Agreed:
    """The request of any is that of all. They ask each other every few steps, by the clock of the slowest.

    An evaluation, of which each replica does a part, is not broken off: all would have to leave it at once.
    """

    def __init__(self, request: StopRequest, replicas: Replicas) -> None:
        self._request, self._replicas = request, replicas
        self._next, self._since = 0, time.perf_counter()
        self._last: int | None = None

    def asked(self, step: int) -> bool:
        if step < self._next:
            return False
        steps = 1 if self._last is None else max(step - self._last, 1)
        seconds = (time.perf_counter() - self._since) / steps
        said = [
            each
            for each in gathered(self._replicas, [self._request.is_made, seconds])
            if isinstance(each, list)
        ]
        slowest = max(float(str(each[1])) for each in said)
        self._next = step + max(1, math.floor(_EVERY / max(slowest, 1e-6)))
        self._last, self._since = step, time.perf_counter()
        return any(bool(each[0]) for each in said)

    def late(self) -> bool:
        return False  # The next step asks.

    def unless_asked(self, work: Callable[[], T]) -> T | None:
        return work()
