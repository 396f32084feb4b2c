"""Training that is killed a hundred times, wherever it is, and loses nothing.

``python benchmarks/torture --framework torch --kills 100`` kills runs of a small model with SIGKILL, again and
again in the same directory, and starts them again, until that many kills have hit. Every kill is followed by
the checks of ``tests/support/kill_chain.py``; each run is taken to its end and compared with one that nobody
disturbed. Beside the trainer another process evaluates, predicts and exports the run all the while; each of its looks
has to give an answer, of the step that it names. The disk is made slow (``--delay`` before each operation), so that
kills fall between any two.

45 kills in 100 are aimed at an operation of a save, 29 at a moment in time, the rest at the start, at steps, at
evaluations and at logging. Prints where they hit and what was lost, then pass or FAIL. With ``--execution
weight_streaming`` a small GPT-3 is trained whose weights lie in files, a part of it frozen. ``--forked``, ``--alone``
and ``--steps 24`` make a hundred kills a matter of minutes.
"""

from __future__ import annotations

import argparse
import collections
import math
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

# One thread a process: the steps are tiny. Read when a framework is imported, here and in every run.
for name in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
    os.environ.setdefault(name, "1")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "support"))

from forked_lives import Forked  # noqa: E402
from kill_chain import Aim, AnyLife, Chain, Readers, Reference, start  # noqa: E402

STEPS = 120
WAIT = 0.5
"""Most seconds that a reader waits between a checkpoint's verification and its weights."""
IN_SAVES = 0.2
"""The least share of kills that must have hit a save."""


def aim(draw: Random, reference: Reference, startup: float) -> Aim:
    """Where the next kill is to hit."""
    part = draw.random()
    if part < 0.45:
        return Aim(draw.choice(reference.operations()), count=draw.randint(1, 4))
    if part < 0.55:
        return Aim(draw.choice(sorted({mark for mark in reference.marks if mark.startswith("start-up")})))
    if part < 0.61:
        return Aim("evaluation", count=draw.randint(1, 2))
    if part < 0.68:
        return Aim("step", count=draw.randint(1, 12))
    if part < 0.71:
        return Aim("logging", count=draw.randint(1, 30))
    return Aim(seconds=draw.uniform(0.05, 1.5 * startup))


def torture(
    framework: str,
    kills: int,
    seed: int,
    delay: float,
    root: Path,
    minutes: float,
    execution: str,
    begin: Callable[[list[str], float], AnyLife],
    steps: int,
    reads: bool,
) -> bool:
    """Kill that often, or for so long; print the table; whether nothing was lost."""
    ends = time.monotonic() + 60 * minutes
    draw = Random(seed)
    reference = Reference(framework, root / "undisturbed", steps, execution)
    hits: collections.Counter[str] = collections.Counter()
    lost: list[str] = []
    chains = 1
    chain = Chain(reference, root / "1" / "run", delay, begin=begin)
    readers = Readers(reference, WAIT) if reads else None
    if readers is not None:
        readers.look_at(chain.directory)
    while hits.total() < kills and time.monotonic() < ends:
        at = chain.kill(aim(draw, reference, chain.startup), draw)
        if at is not None:
            hits[at] += 1
        else:  # The run came to its end first.
            chain.finish()
            lost += chain.lost
            chains += 1
            chain = Chain(reference, root / str(chains) / "run", delay, begin=begin)
            if readers is not None:
                readers.look_at(chain.directory)
        if sys.stderr.isatty():
            print(f"\r{framework}: {hits.total()}/{kills} kills", end="", file=sys.stderr)
    chain.finish()
    lost += chain.lost
    passed = report(framework, seed, hits, chains, lost)
    if readers is None:
        return passed
    readers.close()
    return report_readers(readers) and passed


def report_readers(readers: Readers) -> bool:
    """Print how often each looked, and what failed; whether none did."""
    print(f"  beside the trainer: {', '.join(f'{name} {count}' for name, count in readers.done().items())}")
    failures = readers.failures()
    for line in failures:
        print(f"  FAILED {line}")
    print(f"  {'FAIL' if failures else 'pass'} readers that failed: {len(failures)}, at most 0")
    return bool(readers.done()) and not failures


def report(framework: str, seed: int, hits: collections.Counter[str], chains: int, lost: list[str]) -> bool:
    """Print the table, by phase and within it by operation."""
    print(f"\n{framework}: {hits.total()} kills (seed {seed}), {chains} runs taken to their end")
    phases: dict[str, dict[str, int]] = {}
    for at, count in sorted(hits.items()):
        phase, _, operation = at.partition(": ")
        phases.setdefault(phase, {})[operation] = count
    for phase, operations in phases.items():
        print(f"  {phase:<44}{sum(operations.values()):>4}")
        for operation, count in operations.items():
            if operation:
                print(f"    {operation:<42}{count:>4}")
    in_saves = sum(phases.get("save", {}).values())
    enough = in_saves >= IN_SAVES * hits.total()
    for line in lost:
        print(f"  LOST {line}")
    print(f"  {'pass' if enough else 'FAIL'} in saves: {in_saves}, at least {IN_SAVES * hits.total():.0f}")
    print(f"  {'FAIL' if lost else 'pass'} lost: {len(lost)}, at most 0")
    return enough and not lost


def main() -> int:
    """Read the command line; exit status 1 if anything was lost."""
    parser = argparse.ArgumentParser(prog="torture", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--framework", choices=("torch", "tf"), action="append", help="default: both")
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument(
        "--minutes", type=float, default=math.inf, help="end before that many kills, a framework"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--delay", type=float, default=0.01, help="seconds before each operation on the disk")
    parser.add_argument("--execution", choices=("resident", "weight_streaming"), default="resident")
    parser.add_argument("--forked", action="store_true", help="fork each life from one that has imported all")
    parser.add_argument("--steps", type=int, default=STEPS, help="of each run")
    parser.add_argument("--alone", action="store_true", help="with nobody who reads beside the trainer")
    options = parser.parse_args()
    passed = True
    for framework in options.framework or ("torch", "tf"):
        with tempfile.TemporaryDirectory(prefix="torture-") as root:
            passed &= torture(
                framework,
                options.kills,
                options.seed,
                options.delay,
                Path(root),
                options.minutes,
                options.execution,
                Forked if options.forked else start,
                options.steps,
                not options.alone,
            )
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
