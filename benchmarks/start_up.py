"""How long it takes until something happens: answers of the command line, imports, and the first step of training.

The command line is held against ``import numpy, pydantic`` in a process of its own, a backend's import against that
of its framework, and ``zoo train`` on BERT-base, from the command to the end of its first step, against the same with
transformers' ``Trainer`` (which needs ``accelerate``) and Keras' ``fit``. ``--clock processor`` compares seconds of
the processors, where others use the machine too.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from measure import ROOT, Row, finish

ROUNDS = 15
ZOO = str(Path(sys.executable).with_name("zoo"))
BASELINE = [sys.executable, "-c", "import numpy, pydantic"]
COMMANDS = {
    "zoo --help": ([ZOO, "--help"], 3.0),
    "zoo validate": ([ZOO, "validate", "--spec", "bert_base"], 5.0),
}
IMPORTS = {"zoo_torch": "torch", "zoo_tf": "tensorflow, keras"}
IMPORT = 1.1
FIRST_STEP = 0.8
PEERS = {"torch": "transformers", "tf": "kerashub"}
TITLES = {"transformers": "transformers' Trainer", "kerashub": "Keras' fit"}

Clock = Callable[[], float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--clock", choices=["seconds", "processor"], default="seconds")
    given = parser.parse_args()
    clock = time.perf_counter if given.clock == "seconds" else children_seconds
    finish([row for name in given.only for row in PARTS[name](given.rounds, clock)])


def answers(rounds: int | None, clock: Clock) -> list[Row]:
    """Of the command line."""
    ways = {"baseline": BASELINE, **{name: command for name, (command, _) in COMMANDS.items()}}
    times = in_turn(ways, rounds or ROUNDS, clock)
    base = statistics.median(times["baseline"])
    return [
        Row(f"{name} / import numpy, pydantic ({base:.2f} s)", quotient(times, name, "baseline"), limit)
        for name, (_, limit) in COMMANDS.items()
    ]


def imports(rounds: int | None, clock: Clock) -> list[Row]:
    """Of each backend by its framework's."""
    both = {name: [sys.executable, "-c", f"import {name}"] for pair in IMPORTS.items() for name in pair}
    times = in_turn(both, rounds or 7, clock)
    return [
        Row(
            f"import {ours} / import {theirs} ({statistics.median(times[theirs]):.2f} s)",
            quotient(times, ours, theirs),
            IMPORT,
        )
        for ours, theirs in IMPORTS.items()
    ]


def first_steps(rounds: int | None, clock: Clock) -> list[Row]:
    """From the command to the end of the first step."""
    with tempfile.TemporaryDirectory() as folder:
        ways = {
            name: [sys.executable, str(ROOT / "start_up_parts" / "first_step.py"), name, f"{folder}/{name}"]
            for pair in PEERS.items()
            for name in pair
        }
        times = in_turn(ways, rounds or 5, clock)
    return [
        Row(
            f"zoo train to its first step, {ours} / {TITLES[theirs]} "
            f"({statistics.median(times[ours]):.1f} s, {statistics.median(times[theirs]):.1f} s)",
            quotient(times, ours, theirs),
            FIRST_STEP,
        )
        for ours, theirs in PEERS.items()
    ]


PARTS = {"answers": answers, "imports": imports, "first-step": first_steps}


def in_turn(ways: Mapping[str, list[str]], rounds: int, clock: Clock) -> dict[str, list[float]]:
    """Seconds of each command, round by round after one that warms the disk's cache."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(1 + rounds):
        for name, command in ways.items():
            took = seconds(command, clock)
            if turn:
                times[name].append(took)
    return times


def seconds(command: list[str], clock: Clock) -> float:
    """Of one process; whatever it leaves in a run's folder is another one's next time."""
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    start = clock()
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path})
    took = clock() - start
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr[-3000:]}")
    return took


def children_seconds() -> float:
    """Of all processors, by processes that have ended."""
    spent = os.times()
    return spent.children_user + spent.children_system


def quotient(times: Mapping[str, list[float]], ours: str, other: str) -> float:
    return statistics.median(a / b for a, b in zip(times[ours], times[other], strict=True))


if __name__ == "__main__":
    main()
