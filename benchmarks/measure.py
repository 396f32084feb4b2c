"""What the benchmarks share: ways taken in turn, ratios with their limits, and what a process needed."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent


@dataclass(frozen=True)
class Row:
    """A measured value with its limit, if it has one; ``at_least`` turns the limit round."""

    what: str
    value: float
    limit: float | None
    unit: str = ""
    at_least: bool = False

    @property
    def passed(self) -> bool:
        if self.limit is None:
            return True
        return self.value >= self.limit if self.at_least else self.value <= self.limit

    def __str__(self) -> str:
        value = (
            f"{self.value:>9.3f}" if self.value == 0 or abs(self.value) >= 0.001 else f"{self.value:>9.1e}"
        )
        if self.limit is None:
            return f"{self.what:<66}{value} {self.unit:<10}no limit"
        side = "at least" if self.at_least else "at most"
        verdict = "pass" if self.passed else "FAIL"
        return f"{self.what:<66}{value} {self.unit:<10}{side} {self.limit:<6.4g} {verdict}"


def alternate(ways: Mapping[str, Callable[[], object]], rounds: int, warm: int = 1) -> dict[str, list[float]]:
    """Seconds that each way took, one after the other in every round, so that a busy machine slows all of them."""
    for _ in range(warm):
        for run in ways.values():
            run()
    times: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(rounds):
        for name in ways if turn % 2 == 0 else reversed(list(ways)):
            start = time.perf_counter()
            ways[name]()
            times[name].append(time.perf_counter() - start)
    return times


def ratio(times: Mapping[str, list[float]], ours: str, other: str) -> float:
    """The median over the rounds of one way's time by the other's in the same round."""
    return statistics.median(a / b for a, b in zip(times[ours], times[other], strict=True))


@dataclass(frozen=True)
class Cost:
    """What one run took: seconds that passed, and those of all processors together."""

    seconds: float
    processor: float


class Worker:
    """A script of this folder in a process of its own, which runs what it is told and says what that took.

    Settings that one way makes for its whole process, such as how torch multiplies, do not reach another's.
    """

    def __init__(self, script: str, *arguments: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(ROOT / script), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )

    def run(self, what: str) -> Cost:
        """One run of ``what``."""
        return Cost(*json.loads(self._ask(what)))

    def value(self, what: str) -> float:
        """What the worker says of itself."""
        return float(self._ask(what))

    def told(self, what: str) -> Any:
        """What the worker says of itself, where that is more than a number."""
        return json.loads(self._ask(what))

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait()

    def _ask(self, what: str) -> str:
        self._process.stdin.write(what + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise SystemExit(f"{' '.join(self._process.args)} ended with status {self._process.wait()}")
        return answer


def serve(ways: Mapping[str, Callable[[], object]], values: Mapping[str, Callable[[], object]]) -> None:
    """A worker's side: run the ways, and give the values, whose names come in, until nothing more comes."""
    answers = sys.stdout
    sys.stdout = sys.stderr  # Whatever a library prints is no answer.
    for line in sys.stdin:
        name = line.strip()
        if name in values:
            print(values[name](), file=answers, flush=True)
            continue
        start, used = time.perf_counter(), time.process_time()
        ways[name]()
        took = [time.perf_counter() - start, time.process_time() - used]
        print(json.dumps(took), file=answers, flush=True)


def in_process(script: str, *arguments: str) -> dict[str, float]:
    """The JSON that a script of this folder prints last, in a process of its own, whose threads do not spin."""
    path = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]  # For those in a folder of this one.
    done = subprocess.run(
        [sys.executable, str(ROOT / script), *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={"OMP_WAIT_POLICY": "passive", **os.environ, "PYTHONPATH": os.pathsep.join(path)},
    )
    if done.returncode:
        raise SystemExit(f"{script} {' '.join(arguments)} failed:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def processor() -> str:
    """The name of what this machine computes with, its cores, and how wide its vectors are."""
    name = platform.processor()
    if sys.platform == "darwin":
        asked = ["sysctl", "-n", "machdep.cpu.brand_string"]
        name = subprocess.run(asked, capture_output=True, text=True).stdout.strip() or name
    name = _cpuinfo().get("model name", name)
    wide = ", ".join(flag for flag in ("avx2", "avx512f", "amx_tile") if flag in processor_flags())
    return f"{name or 'a processor without a name'}, {os.cpu_count()} cores{f' ({wide})' if wide else ''}"


def processor_flags() -> list[str]:
    """What it can do, where the system says so."""
    about = _cpuinfo()
    return about.get("flags", about.get("Features", "")).split()


def _cpuinfo() -> dict[str, str]:
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return dict([part.strip() for part in line.split(":", 1)] for line in lines if ":" in line)


def peak_bytes() -> int:
    """The most memory that this process held so far."""
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def finish(rows: list[Row]) -> None:
    """Print the rows, and end with status 1 if one of them failed."""
    for row in rows:
        print(row)
    sys.exit(not all(row.passed for row in rows))
