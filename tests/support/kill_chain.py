"""A run that is killed again and again, each time checked for what it lost, and held to the uninterrupted one."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import TypeAlias

import numpy as np
from filelock import FileLock

from forked_lives import Forked
from zoo_common.checkpoint import CheckpointStore, Manifest
from zoo_common.training.run_directory import read_metrics

FILES = {"spec.yaml", "versions.json", "metrics.jsonl", "log.txt", "run.lock", "checkpoints", "events"}
SPECS = {
    "resident": (
        "mnist_fc",
        ("model.image_size=[12, 12]", "model.hidden_sizes=[32]", "model.dropout=0.5", "data.kind=generated"),
    ),
    "weight_streaming": (
        "gpt3_tiny",
        (
            *(
                "model.hidden_size=16",
                "model.num_heads=2",
                "model.intermediate_size=24",
                "model.num_layers=3",
            ),
            *("model.vocab_size=50", "model.max_positions=12", "model.dropout=0.1", "data.kind=generated"),
            *(
                "data.samples=16",
                "training.execution=weight_streaming",
                "training.freeze=[decoder.layers.1.attention]",
            ),
        ),
    ),
}
"""By execution what is trained, and its sizes."""
TRAINING = ("batch_size=8", "log_every=1", "save_every=2", "evaluate_every=6", "schedule.kind=linear")


def command(framework: str, directory: Path, steps: int, execution: str = "resident") -> list[str]:
    """The arguments of ``zoo`` for a run of tiny steps, with dropout, many saves and evaluations."""
    spec, sizes = SPECS[execution]
    changes = [*sizes, *(f"training.{change}" for change in TRAINING), f"training.steps={steps}"]
    options = [part for change in changes for part in ("--set", change)]
    where = ["--device", "cpu", "--run-dir", str(directory)]
    return ["train", "--framework", framework, "--spec", spec, *options, *where]


def start(arguments: list[str], delay: float = 0.0, **options: object) -> subprocess.Popen[str]:
    """The command in a process of its own, through ``slow_zoo``; standard output has its marks."""
    program = [sys.executable, str(Path(__file__).with_name("slow_zoo.py")), str(delay)]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    return subprocess.Popen([*program, *arguments], env=environment, text=True, **pipes)


AnyLife: TypeAlias = subprocess.Popen[str] | Forked


@dataclass(frozen=True)
class Aim:
    """When to kill: ``seconds`` after the start, or at the ``count``-th mark that is ``phase``."""

    phase: str = ""
    count: int = 1
    seconds: float = 0.0


@dataclass
class Reference:
    """What the uninterrupted run had: its files' digests by saved step, its metrics, the marks of a life."""

    framework: str
    directory: Path
    steps: int
    execution: str = "resident"
    saved: dict[int, list[str]] = field(default_factory=dict)
    marks: list[str] = field(default_factory=list)
    begin: Callable[[list[str], float], AnyLife] = start
    """How its life begins."""

    def __post_init__(self) -> None:
        with self.begin(command(self.framework, self.directory, self.steps, self.execution), 0.0) as child:
            out, errors = child.communicate()
        assert child.returncode == 0, errors
        for line in out.splitlines():
            if line.startswith("@ack "):
                _, step, *digests = line.split()
                self.saved[int(step)] = digests
            elif line.startswith("@"):
                self.marks.append(line[1:])
        self.lines = (self.directory / "metrics.jsonl").read_bytes().splitlines(keepends=True)

    def operations(self) -> list[str]:
        """The marks of one save that also removes an old checkpoint, in order."""
        saves = [index for index, name in enumerate(self.marks) if name == "save"]
        begin = saves[-1]
        found = [name for name in self.marks[begin:] if name.startswith("save")]
        return list(dict.fromkeys(found))


@dataclass
class Chain:
    """One run directory, and what its processes acknowledged."""

    reference: Reference
    directory: Path
    delay: float
    acknowledged: int = 0
    lost: list[str] = field(default_factory=list)
    startup: float = 4.0
    """Seconds that the last life took to its first step."""
    begin: Callable[[list[str], float], AnyLife] = start
    """How a life begins."""

    def kill(self, aim: Aim, draw: Random) -> str | None:
        """Start the run, or go on with it, and kill it; where it was hit, None if it ended before.

        What is wrong is added to ``lost``.
        """
        with self.start(self.delay) as child:
            timer = threading.Timer(aim.seconds, child.kill)
            if aim.seconds:
                timer.start()
            at, count, began = "start-up: interpreter", 0, time.perf_counter()
            stepped = False
            for line in child.stdout or ():
                if line.startswith("@ack "):
                    self.acknowledge(line)
                elif line.startswith("@"):
                    at = line[1:].strip()
                    if at == "step" and not stepped:
                        stepped, self.startup = True, time.perf_counter() - began
                    count += bool(aim.phase) and at == aim.phase
                    if count >= aim.count and aim.phase and child.poll() is None:
                        aim = Aim()
                        time.sleep(draw.random() * self.delay)
                        child.kill()
            status = child.wait()
            timer.cancel()
            errors = child.stderr.read() if child.stderr else ""
        if status not in (0, -9):
            self.lost.append(f"exit status {status}: {errors[-2000:]}")
        if status == 0:
            return None
        self.check(at)
        return at

    def finish(self) -> None:
        """Let the run go to its end, and compare all of it with the uninterrupted one."""
        with self.start(0.0) as child:
            out, errors = child.communicate()
        for line in out.splitlines():
            if line.startswith("@ack "):
                self.acknowledge(line)
        if child.returncode != 0:
            self.lost.append(f"to its end: exit status {child.returncode}: {errors[-2000:]}")
        self.check("at the end")
        # Not by what was acknowledged: the last save may have been killed between counting and saying so.
        newest = CheckpointStore(self.directory / "checkpoints").latest()
        if newest is None or newest.step != self.reference.steps:
            self.lost.append(
                f"at the end: of {self.reference.steps} steps, {newest and newest.step} are saved"
            )
        if (self.directory / "metrics.jsonl").read_bytes() != b"".join(self.reference.lines):
            self.lost.append("at the end: other metrics than the uninterrupted run")
        litter = {entry.name for entry in self.directory.iterdir()} - FILES
        litter |= {entry.name for entry in (self.directory / "checkpoints").iterdir() if entry.suffix}
        if litter:
            self.lost.append(f"at the end: left behind {sorted(litter)}")

    def check(self, at: str) -> None:
        """Look at what a kill left."""
        if not self.directory.exists():
            if self.acknowledged:
                self.lost.append(f"{at}: the run directory is gone")
            return
        newest = CheckpointStore(self.directory / "checkpoints").latest()  # Verified, or an error.
        step = newest.step if newest else 0
        if step < self.acknowledged:
            self.lost.append(f"{at}: step {self.acknowledged} was acknowledged, step {step} is there")
        if newest is not None:
            self._compare(step, _digests(newest.path), at)
            newest.weights(), newest.optimizer()
        self._check_metrics(step, at)
        self._check_events(step, at)
        self._check_lock(at)

    def _check_metrics(self, step: int, at: str) -> None:
        path = self.directory / "metrics.jsonl"
        raw = path.read_bytes() if path.exists() else b""
        lines = raw[: raw.rfind(b"\n") + 1].splitlines(keepends=True)
        if lines != self.reference.lines[: len(lines)]:
            self.lost.append(f"{at}: the metrics are not those of the uninterrupted run")
        trained = {
            record["step"] for record in (read_metrics(path) if raw else ()) if record["split"] == "train"
        }
        if missing := set(range(1, step + 1)) - trained:
            self.lost.append(f"{at}: no metrics of steps {sorted(missing)}, though step {step} is saved")

    def _check_events(self, step: int, at: str) -> None:
        """Each saved step's loss is drawn once by TensorBoard, whose reader finds every checksum right."""
        losses = event_losses(self.directory / "events" / "train")
        expected = {}
        for line in self.reference.lines:
            record = json.loads(line)
            if record["split"] == "train" and record["step"] <= step:
                expected[record["step"]] = np.float32(record["loss"])
        if {number: loss for number, loss in losses.items() if number <= step} != expected:
            self.lost.append(f"{at}: the events up to step {step} are not those of the uninterrupted run")

    def _check_lock(self, at: str) -> None:
        if (self.directory / "run.lock").exists():
            try:
                FileLock(self.directory / "run.lock", timeout=0).acquire().lock.release()
            except TimeoutError:
                self.lost.append(f"{at}: the lock is still held")

    def start(self, delay: float) -> AnyLife:
        of = self.reference
        return self.begin(command(of.framework, self.directory, of.steps, of.execution), delay)

    def acknowledge(self, line: str) -> None:
        _, step, *digests = line.split()
        self.acknowledged = int(step)
        self._compare(int(step), digests, "acknowledged")

    def _compare(self, step: int, digests: list[str], at: str) -> None:
        if digests != self.reference.saved.get(step):
            self.lost.append(f"{at}: step {step} has other bits than in the uninterrupted run")


NOT_YET = ("is no run directory", "has no checkpoint yet", "is missing; put back the spec")
"""What a reader may say of a run that has not saved yet."""


class Readers:
    """A process that evaluates, predicts and exports beside the trainer (``beside.py``), and what it found."""

    def __init__(self, reference: Reference, delay: float) -> None:
        self.reference = reference
        self.found: list[dict[str, object]] = []
        program = [
            sys.executable,
            str(Path(__file__).with_name("beside.py")),
            reference.framework,
            str(delay),
        ]
        self._child = subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._thread = threading.Thread(target=self._collect)
        self._thread.start()

    def look_at(self, directory: Path) -> None:
        """Go on with this run."""
        assert self._child.stdin
        self._child.stdin.write(f"{directory}\n")
        self._child.stdin.flush()

    def close(self) -> None:
        """Return once it has ended, its last look done."""
        assert self._child.stdin
        self._child.stdin.close()
        self._thread.join()
        self._child.wait()

    def done(self) -> dict[str, int]:
        """How often each command gave its answer."""
        names = [str(found["command"]) for found in self.found if found["status"] == 0]
        return {name: names.count(name) for name in sorted(set(names))}

    def failures(self) -> list[str]:
        """A line for each look that failed once the run had saved, or that named another step than it read."""
        losses = {}
        for line in self.reference.lines:
            record = json.loads(line)
            if record["split"] == "eval":
                losses[record["step"]] = record["loss"]
        lines, saved = [], set()
        for found in self.found:
            what, directory = f"{found['command']} beside the trainer", found["directory"]
            if found["status"] == 0:
                saved.add(directory)
                step = found["step"]
                if step not in self.reference.saved:
                    lines.append(f"{what}: names step {step}, which was never saved")
                if found["command"] == "evaluated" and found["loss"] != losses.get(step, found["loss"]):
                    lines.append(
                        f"{what}: loss {found['loss']} at step {step}, where the run had {losses[step]}"
                    )
            elif directory in saved or not any(text in str(found["error"]) for text in NOT_YET):
                lines.append(f"{what}: exit status {found['status']}: {str(found['error'])[-2000:]}")
        return lines if self._child.returncode == 0 else [*lines, "the readers' process failed"]

    def _collect(self) -> None:
        for line in self._child.stdout or ():
            self.found.append(json.loads(line))


def event_losses(directory: Path) -> dict[int, np.float32]:
    """The loss by step as TensorBoard shows it: a restart drops what was logged from its step on."""
    import tensorflow as tf

    logging.getLogger("tensorflow").setLevel(logging.ERROR)  # It would rather be called in another way.
    found: dict[int, np.float32] = {}
    for file in sorted(directory.iterdir()) if directory.exists() else ():
        for event in tf.compat.v1.train.summary_iterator(str(file)):
            if event.session_log.status == event.session_log.START:
                found = {step: loss for step, loss in found.items() if step < event.step}
            for value in event.summary.value:
                if value.tag == "loss":
                    assert event.step not in found, f"{file}: step {event.step} twice"
                    found[event.step] = np.float32(value.simple_value)
    return found


def _digests(checkpoint: Path) -> list[str]:
    files = Manifest.read(checkpoint).files
    return [files[name].sha256 for name in sorted(files)]
