"""The ways of one family in turn, each in a process of its own: what their runs took, and the memory they needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from family_steps import Case
from measure import Cost, Worker

HALF = "bfloat16"


@dataclass(frozen=True)
class Found:
    """Of each thing that was run the costs by way, a round each; of each way the most memory that training held."""

    costs: dict[str, dict[str, list[Cost]]] = field(default_factory=dict)
    peaks: dict[str, float] = field(default_factory=dict)

    def add(self, what: str, way: str, cost: Cost) -> None:
        self.costs.setdefault(what, {}).setdefault(way, []).append(cost)


@dataclass(frozen=True)
class Turns:
    """Ways, by name, of one case; each runs ``whats``, of which the first is training."""

    case: Case
    ways: Sequence[str]
    whats: Sequence[str]
    rounds: int
    warm: int = 2
    """Runs before the first that is timed."""

    def take(self, *, together: bool) -> Found:
        """All processes at once, round by round; or, where memory has no room for them, one after the other."""
        found = Found()
        if together:
            self._together(found)
        else:
            for turn in range(self.rounds):
                for way in self._order(turn):
                    self._alone(way, found)
        return found

    def _together(self, found: Found) -> None:
        workers = {way: self._worker(way) for way in self.ways}
        for what in self.whats:
            for way, worker in workers.items():
                self._warm(way, worker, what, found)
            for turn in range(self.rounds):
                for way in self._order(turn):
                    found.add(what, way, workers[way].run(what))
        for worker in workers.values():
            worker.close()

    def _alone(self, way: str, found: Found) -> None:
        worker = self._worker(way)
        for what in self.whats:
            self._warm(way, worker, what, found)
            found.add(what, way, worker.run(what))
        worker.close()

    def _warm(self, way: str, worker: Worker, what: str, found: Found) -> None:
        for _ in range(self.warm):
            worker.run(what)
        if what == self.whats[0]:
            found.peaks[way] = worker.value("peak")

    def _worker(self, way: str) -> Worker:
        name, _, dtype = way.partition(" ")
        return Worker("step_worker.py", name, replace(self.case, dtype=dtype or self.case.dtype).text())

    def _order(self, turn: int) -> Sequence[str]:
        return self.ways if turn % 2 == 0 else list(reversed(self.ways))


def seconds(costs: Mapping[str, list[Cost]], clock: str) -> dict[str, list[float]]:
    """Those of one clock, by way: ``seconds`` that passed, or the ``processor``'s."""
    return {way: [getattr(cost, clock) for cost in each] for way, each in costs.items()}
