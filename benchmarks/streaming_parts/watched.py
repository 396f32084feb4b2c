"""A command whose memory is looked at all the while, and the picture of that."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psutil

EVERY = 0.2
"""Seconds."""


@dataclass
class Watched:
    """Seconds with the resident bytes then, the most that there were, and when each step was done."""

    samples: list[tuple[float, int]] = field(default_factory=list)
    peak: int = 0
    steps: dict[int, float] = field(default_factory=dict)


def watched(command: list[str], steps_done: Callable[[], int]) -> Watched:
    """Run a command to its end; ends this process with what it said if it fails."""
    found, began = Watched(), time.monotonic()
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=said)
        known = psutil.Process(process.pid)
        while True:
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            if pid:
                break
            now = time.monotonic() - began
            try:
                found.samples.append((now, known.memory_info().rss))
            except psutil.Error:
                continue
            found.steps.setdefault(steps_done(), now)
            time.sleep(EVERY)
        process.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        text = said.read()
    if process.returncode:
        sys.exit(text)
    for line in text.splitlines():
        print(f"    {line}", flush=True)
    found.peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return found


def plot(path: Path, title: str, run: Watched, limit: int, resident: int) -> None:
    """Memory over time, with the limit and what a run in memory is reckoned to take."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(9, 4.5))
    axes.plot(
        [second for second, _ in run.samples],
        [size / 2**30 for _, size in run.samples],
        label="resident memory",
    )
    axes.axhline(limit / 2**30, color="red", linewidth=0.8, label=f"limit, {limit / 2**30:.0f} GiB")
    axes.axhline(resident / 2**30, color="gray", linestyle="--", label="all weights in memory, as reckoned")
    for step, second in run.steps.items():
        if step:
            axes.axvline(second, color="gray", linestyle=":", linewidth=0.8)
            axes.annotate(f" step {step}", (second, 0.1))
    axes.set(title=title, xlabel="seconds", ylabel="GiB", ylim=(0, None))
    axes.legend(loc="center right")
    figure.tight_layout()
    figure.savefig(path, dpi=110)
