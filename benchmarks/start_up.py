"""How long the command line takes to answer, as multiples of ``import numpy, pydantic`` in a process of its own."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

from measure import Row, finish

ROUNDS = 15
ZOO = str(Path(sys.executable).with_name("zoo"))
BASELINE = [sys.executable, "-c", "import numpy, pydantic"]
COMMANDS = {
    "zoo --help": ([ZOO, "--help"], 3.0),
    "zoo validate": ([ZOO, "validate", "--spec", "bert_base"], 5.0),
}


def seconds(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - start


def main() -> None:
    ways = {"baseline": BASELINE, **{name: command for name, (command, _) in COMMANDS.items()}}
    for command in ways.values():
        seconds(command)
    rounds = [{name: seconds(command) for name, command in ways.items()} for _ in range(ROUNDS)]
    base = statistics.median(found["baseline"] for found in rounds)
    finish(
        [
            Row(
                f"{name} / import numpy, pydantic ({base:.2f} s)",
                statistics.median(found[name] / found["baseline"] for found in rounds),
                limit,
            )
            for name, (_, limit) in COMMANDS.items()
        ]
    )


if __name__ == "__main__":
    main()
