"""How long a step will take where weights are streamed, told before the first one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from zoo_common.memory.seconds import StepTime, step_time
from zoo_common.memory.streaming import Streamed, streamed
from zoo_common.speeds import DiskSpeed, disk_speed, product_speed
from zoo_common.units import bytes_text, seconds_text
from zoo_spec.experiment import ExperimentSpec
from zoo_spec.graph import Graph

_LITTLE = 10**9
"""Bytes a step of which no disk makes anybody wait for long, and for which none is measured."""


@dataclass(frozen=True)
class Outlook:
    """What a step reads and writes, the speed of the disk, and the time that is reckoned from them."""

    name: str
    files: Streamed
    disk: DiskSpeed
    time: StepTime

    @property
    def is_slow(self) -> bool:
        """Whether a step waits for files for longer than it computes."""
        return self.time.waiting > self.time.computing

    def __str__(self) -> str:
        """One line, with what to do where it is slow."""
        read, written = bytes_text(round(self.disk.read)), bytes_text(round(self.disk.written))
        reckoned = (
            f"a step reads and writes {bytes_text(self.files.read + self.files.written)} of weights at {read}/s and "
            f"{written}/s, and is reckoned at {seconds_text(self.time.step)}, of which it waits "
            f"{seconds_text(self.time.waiting)} for files"
        )
        if not self.is_slow:
            return f"{self.name}: {reckoned}"
        return (
            f"{self.name}: files are much slower than computing: {reckoned}; more examples a step share one reading "
            "(training.batch_size), or give a run directory on a faster disk"
        )


def outlook(spec: ExperimentSpec, graph: Graph, folder: Path, framework: str | None = None) -> Outlook | None:
    """What is to be expected of this disk and these processors, measured in a second or two.

    None where nothing is streamed, or so little that it is not worth the second.
    """
    if not spec.training.streams:
        return None
    files = streamed(spec, graph, framework)
    if files.read + files.written < _LITTLE:
        return None
    disk = disk_speed(folder)
    flops = product_speed("float64" if spec.training.precision == "float64" else "float32")
    return Outlook(spec.name, files, disk, step_time(files.phases.values(), disk, flops))
