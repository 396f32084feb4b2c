"""What becomes of jobs of several replicas, as ``zoo train --replicas`` runs them, in both frameworks.

``python benchmarks/replica_jobs.py`` (a quarter of an hour; ``--framework`` takes one) prints a row a case: how far
the run of several is from that of one process, and one that changes their number, and the framework, on its way; and
how long a job outlives a replica that is killed or frozen. No process may be left, whoever is killed.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread

import numpy as np
import psutil
from measure import Row, finish

from zoo_common.checkpoint import CheckpointStore
from zoo_common.training.metrics_file import read_metrics

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))

from kill_chain import SPECS

STEPS = 12
LIMIT = 1e-12
WITHIN = 5.0
"""Seconds after which a job ends when a replica was killed."""
TIMEOUT = 3.0
"""Seconds that a replica may stand still, here."""
SETTINGS = (
    *SPECS["resident"][1],
    "training.schedule={kind: constant}",
    "training.save_every=2",
    "training.batch_size=7",
    "training.micro_batch_size=null",
    "training.precision=float64",
    "training.random=portable",
    "training.log_every=1",
    "training.optimizer={kind: adamw, weight_decay: 0.1, max_gradient_norm: 0.5}",
)
LONG = "training.steps=100000", "training.save_every=5", "training.log_every=1"


@dataclass
class Job:
    """A command that runs, and what it says."""

    process: subprocess.Popen[str]
    run: Path
    told: list[str] = field(default_factory=list)

    def wait_for_step(self, step: int) -> None:
        """Return when that many steps are logged."""
        file = self.run / "metrics.jsonl"
        while self.process.poll() is None and not (file.exists() and len(read_metrics(file)) >= step):
            time.sleep(0.05)
        if self.process.poll() is not None:
            raise SystemExit(f"ended before its time: {self.told}")

    def replicas(self) -> list[psutil.Process]:
        """By rank."""
        return sorted(psutil.Process(self.process.pid).children(), key=lambda each: each.pid)


def command(framework: str, run: Path, settings: Sequence[str], *options: str) -> list[str]:
    """The arguments of a run."""
    sets = [part for each in settings for part in ("--set", each)]
    where = ("--framework", framework, "--spec", "mnist_fc", "--device", "cpu", "--run-dir", str(run))
    return [sys.executable, "-m", "zoo_common.cli.main", "train", *where, *sets, *options]


def start(framework: str, run: Path, settings: Sequence[str], *options: str) -> Job:
    """A job, whose standard error is read."""
    line = command(framework, run, settings, *options)
    job = Job(subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True), run)
    assert job.process.stderr is not None
    Thread(target=lambda: job.told.extend(job.process.stderr or ()), daemon=True).start()
    return job


def end(framework: str, run: Path, count: int, steps: int = STEPS) -> None:
    """A run that is to end well, at that step."""
    replicas = ("--replicas", str(count)) if count > 1 else ()
    settings = [*SETTINGS, f"training.steps={steps}"]
    found = subprocess.run(command(framework, run, settings, *replicas), capture_output=True, text=True)
    if found.returncode:
        raise SystemExit(found.stderr)


def difference(one: Path, other: Path) -> float:
    """The largest of weights and moments of two runs' last checkpoints."""
    mine, theirs = (CheckpointStore(run / "checkpoints").latest() for run in (one, other))
    assert mine is not None
    assert theirs is not None
    assert mine.step == theirs.step == STEPS, (mine.step, theirs.step)
    pairs = ((mine.weights(), theirs.weights()), (mine.optimizer(), theirs.optimizer()))
    return max(float(np.abs(a[name] - b[name]).max(initial=0)) for a, b in pairs for name in a)


def results(framework: str, other: str, folder: Path) -> list[Row]:
    """What runs of several replicas give."""
    one = folder / f"{framework}-one"
    end(framework, one, 1)
    rows = []
    for count in (2, 3):
        end(framework, folder / f"{framework}-{count}", count)
        apart = difference(one, folder / f"{framework}-{count}")
        rows.append(Row(f"{framework}: {count} replicas from one process", apart, LIMIT))
    moved = folder / f"{framework}-moved"
    end(framework, moved, 3, STEPS // 3)
    end(framework, moved, 2, 2 * STEPS // 3)
    end(other, moved, 1)
    rows.append(Row(f"{framework}: 3 replicas, then 2, then {other}", difference(one, moved), LIMIT))
    again = folder / f"{framework}-again"
    job = start(
        framework, again, [*SETTINGS, f"training.steps={STEPS}"], "--replicas", "2", "--max-restarts", "1"
    )
    job.wait_for_step(1)
    job.replicas()[1].kill()
    status = job.process.wait()
    rows.append(Row(f"{framework}: exit status after a kill and --max-restarts", status, 0))
    rows.append(Row(f"{framework}: its result", difference(one, again), LIMIT))
    return rows


def ends(framework: str, folder: Path, only: str) -> list[Row]:
    """How jobs end that somebody ends, in the cases whose names have ``only`` in them."""

    def freeze(job: Job) -> None:
        os.kill(job.replicas()[1].pid, signal.SIGSTOP)

    def orphan(job: Job) -> None:
        freeze(job)
        job.process.kill()

    cases: dict[str, tuple[Callable[[Job], None], int, float]] = {
        "replica 1 killed": (lambda job: job.replicas()[1].kill(), 3, WITHIN),
        "replica 0 killed": (lambda job: job.replicas()[0].kill(), 3, WITHIN),
        f"replica 1 frozen, --replica-timeout {TIMEOUT:g}": (freeze, 3, TIMEOUT + WITHIN),
        "Ctrl-C": (lambda job: job.process.send_signal(signal.SIGINT), 130, 60.0),
        "SIGTERM": (lambda job: job.process.send_signal(signal.SIGTERM), 143, 60.0),
        "the launcher killed, a replica frozen": (orphan, -9, WITHIN),
    }
    rows = []
    for number, (what, (act, status, limit)) in enumerate(cases.items()):
        if only not in what:
            continue
        options = ("--replicas", "2", "--replica-timeout", f"{TIMEOUT:g}")
        settings = [
            each for each in SETTINGS if each.split("=")[0] not in {every.split("=")[0] for every in LONG}
        ]
        job = start(framework, folder / f"{framework}-end-{number}", [*settings, *LONG], *options)
        job.wait_for_step(3)
        everyone = psutil.Process(job.process.pid).children(recursive=True)
        act(job)
        began = time.perf_counter()
        found = job.process.wait()
        seconds = time.perf_counter() - began
        time.sleep(1)
        left = [each for each in everyone if each.is_running() and each.status() != psutil.STATUS_ZOMBIE]
        lines = [line for line in job.told if ": step " not in line and "parameters;" not in line]
        print(f"    {what}: status {found}, {''.join(lines).strip()}")
        rows.append(Row(f"{framework}: {what}: seconds until the job has ended", seconds, limit))
        rows.append(
            Row(
                f"{framework}: {what}: another exit status, processes left",
                abs(found - status) + len(left),
                0,
            )
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", action="store_true", help="What runs give, and not how they end.")
    parser.add_argument(
        "--case", default="", help="How they end alone, and of that what has this in its name."
    )
    parser.add_argument("--framework", choices=("torch", "tf"), action="append")
    given = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory(prefix="zoo-") as folder:
        for framework in given.framework or ("torch", "tf"):
            other = "tf" if framework == "torch" else "torch"
            if not given.results:
                rows += ends(framework, Path(folder), given.case)
            if not given.case:
                rows += results(framework, other, Path(folder))
    finish(rows)


if __name__ == "__main__":
    main()
