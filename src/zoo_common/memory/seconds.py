"""How long a step takes whose weights are streamed, at given speeds of disk and processor."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from zoo_common.memory.streaming import Phase
from zoo_common.speeds import DiskSpeed


@dataclass(frozen=True)
class StepTime:
    """Seconds of computing, of reading and writing, and of a step in which the one waits for the other."""

    computing: float
    files: float
    step: float

    @property
    def waiting(self) -> float:
        """Seconds of a step in which nothing is computed, as files are not there yet."""
        return self.step - self.computing


def step_time(phases: Iterable[Phase], disk: DiskSpeed, flops: float) -> StepTime:
    """Each phase takes as long as its computing (``flops`` a second) or its files, whichever is longer.

    Files of a phase are read ahead and written behind, one after the other on one disk.
    """
    each = [(phase.flops / flops, phase.read / disk.read + phase.written / disk.written) for phase in phases]
    return StepTime(
        sum(computing for computing, _ in each),
        sum(files for _, files in each),
        sum(max(both) for both in each),
    )
