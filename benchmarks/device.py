"""What a machine's device computes, and how fast: one call of at most five minutes, on a GPU or, smaller, a CPU.

``python benchmarks/device.py`` needs no installation of this package and no network. What of its dependencies is
missing it takes from a folder of wheels, which ``make device-wheels`` fills on another machine. Every stage runs in
a process of its own, so that one that fails, hangs or is killed costs only itself; a framework that is not there is
named. It prints as it goes, and ends with a table: exit status 1 if a row of it failed, or no framework is there.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from device_parts import wheels
from measure import Row

HERE = Path(__file__).resolve().parent
MODULES = {"torch": "torch", "tf": "tensorflow"}
STAGES = ("machine", "parity", "ways", "training", "BERT")
ROW = "ROW "
"""How a stage's line begins that is a row of the table."""


@dataclass(frozen=True)
class Stage:
    """A script of ``device_parts`` with its arguments, and the most seconds that it may take of five minutes."""

    name: str
    script: str
    arguments: tuple[str, ...]
    seconds: int


@dataclass(frozen=True)
class Failed:
    """A stage that gave no number, and why."""

    what: str
    why: str
    passed: bool = False

    def __str__(self) -> str:
        return f"{self.what:<66}{'-':>9} {'':<10}{self.why}"


def stages(frameworks: list[str], device: str, small: bool) -> list[Stage]:
    """In the order in which a short machine is worth most."""
    sizes = ("--small",) if small else ()
    found = [Stage("machine", "machine.py", (device,), 60)]
    found += [Stage(f"parity, {name}", "parity.py", (name, device, *sizes), 110) for name in frameworks]
    found += [Stage(f"ways, {name}", "ways.py", (name, device, *sizes), 200) for name in frameworks]
    found += [Stage(f"training, {name}", "training.py", (name, device, *sizes), 90) for name in frameworks]
    found += [Stage(f"BERT, {name}", "bert.py", (name, device, *sizes), 150) for name in frameworks]
    return found


def run(stage: Stage, seconds: float, environment: dict[str, str]) -> list[Row | Failed]:
    """A stage's rows; what it prints is shown as it comes."""
    print(f"\n== {stage.name}", flush=True)
    rows: list[Row | Failed] = []
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as errors:
        process = subprocess.Popen(
            [sys.executable, str(HERE / "device_parts" / stage.script), *stage.arguments],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            encoding="utf-8",
            errors="replace",
            env={**environment, "DEVICE_STAGE_SECONDS": str(seconds)},
            start_new_session=True,
        )
        late = threading.Event()
        timer = threading.Timer(seconds, lambda: (late.set(), _kill(process)))
        timer.start()
        try:
            for line in process.stdout:
                if line.startswith(ROW):
                    rows.append(Row(**json.loads(line[len(ROW) :])))
                    print(rows[-1], flush=True)
                else:
                    print(line, end="", flush=True)
            status = process.wait()
        finally:
            timer.cancel()
            _kill(process)
        if status or late.is_set():
            errors.seek(0)
            tail = errors.read()[-3000:].strip()
            why = f"unfinished after {seconds:.0f} s" if late.is_set() else f"ended with status {status}"
            print(tail, flush=True)
            last = tail.splitlines()[-1] if tail and not late.is_set() else ""
            rows.append(Failed(stage.name, f"FAILED: {why}{': ' if last else ''}{last[:200]}"))
    return rows


def _kill(process: subprocess.Popen[str]) -> None:
    """End a stage and what it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def surroundings(folder: Path, given: Path) -> dict[str, str]:
    """The environment of all stages: this checkout's sources, its backends' entry points, and the wheels unpacked."""
    unpacked = wheels.unpack(given, folder / "wheels")
    wheels.register_backends(HERE.parent / "pyproject.toml", folder / "entry-points")
    path = [HERE.parent / "src", HERE, folder / "entry-points", unpacked]
    before = [os.environ["PYTHONPATH"]] if os.environ.get("PYTHONPATH") else []
    return {
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "OMP_WAIT_POLICY": "passive",
        "HF_HUB_OFFLINE": "1",
        **os.environ,
        "TMPDIR": str(folder),  # What a stage that is killed leaves goes with the rest.
        "PYTHONUNBUFFERED": "1",
        "PYTHONPATH": os.pathsep.join([*map(str, path), *before]),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", choices=["auto", "cpu", "gpu"], default="auto")
    parser.add_argument(
        "--small", action="store_true", help="sizes for a CPU; taken by itself where there is no GPU"
    )
    parser.add_argument("--only", choices=list(MODULES), help="one framework alone")
    parser.add_argument("--stages", choices=STAGES, nargs="+", default=STAGES, help="these alone")
    parser.add_argument("--seconds", type=float, default=290, help="for everything")
    parser.add_argument("--wheels", type=Path, default=HERE.parent / ".device-wheels")
    given = parser.parse_args()
    end = time.monotonic() + given.seconds
    small = given.small or shutil.which("nvidia-smi") is None
    frameworks = [name for name in MODULES if given.only in (None, name) and wheels.is_there(MODULES[name])]
    rows: list[Row | Failed] = []
    with tempfile.TemporaryDirectory(prefix="zoo-device-") as folder:
        environment = surroundings(Path(folder), given.wheels)
        for stage in stages(frameworks, given.device, small):
            if stage.name.partition(",")[0] not in given.stages:
                continue
            left = end - time.monotonic()
            if left < 5:
                rows.append(Failed(stage.name, f"FAILED: no time left of {given.seconds:.0f} s"))
            else:
                share = stage.seconds * max(1, given.seconds / parser.get_default("seconds"))
                rows += run(stage, min(share, left), environment)
    print("\n== table")
    for row in rows:
        print(row)
    for name in MODULES:
        if given.only in (None, name) and name not in frameworks:
            print(f"{MODULES[name]} is not installed here, so nothing of it was run")
    print(f"{given.seconds - (end - time.monotonic()):.0f} s of {given.seconds:.0f} s")
    sys.exit(not frameworks or not all(row.passed for row in rows))


if __name__ == "__main__":
    main()
