"""``steps.py FRAMEWORK STEPS COLD OVERRIDE...``: train some steps, and print what each needed, as JSON.

Memory is the most that the process held; bytes are those of the model, and those of the system, which counts what is
read and written. COLD drops the files from the page cache all the while, so that all of it comes from the disk.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from measure import peak_bytes

from zoo_common.backend import find_backend
from zoo_common.data import batch, open_dataset
from zoo_common.training.loop import train_on
from zoo_common.weights import InitialValues
from zoo_spec import load_spec


def main() -> None:
    framework, steps, cold, *overrides = sys.argv[1:]
    with tempfile.TemporaryDirectory(prefix="zoo-") as name:
        print(json.dumps(measured(framework, int(steps), cold == "cold", overrides, Path(name))))


def measured(
    framework: str, steps: int, is_cold: bool, overrides: list[str], folder: Path
) -> dict[str, float]:
    spec = load_spec("gpt3_125m", overrides)
    graph, training = spec.graph(), spec.training
    dataset = open_dataset(spec, None, "train")
    model = find_backend(framework)().for_training(
        graph,
        training,
        InitialValues(graph.parameters(), training.seed),
        dtype=training.precision,
        device="cpu",
        **({"working": folder / "working"} if training.streams else {}),
    )
    found = []
    with dropping(folder) if is_cold else threading.Lock():
        for index in range(steps):
            given = batch(dataset, 0, index, training.batch_size)
            before = time.perf_counter(), time.process_time(), time.thread_time(), moved_by_system()
            result = train_on(model, graph, training, given, index).result
            loss = float(result.loss)
            files = result.files
            found.append(
                {
                    "loss": loss,
                    "seconds": time.perf_counter() - before[0],
                    "cpu": (cpu := time.process_time() - before[1]),
                    "aside": cpu - (time.thread_time() - before[2]),
                    "system": moved_by_system() - before[3],
                    "moved": 0 if files is None else files.read + files.written,
                    "waited": 0.0 if files is None else files.waited,
                }
            )
    return {"peak": peak_bytes(), "parameters": graph.value_count, "steps": found}


def moved_by_system() -> int:
    """Bytes that this process has read and written so far, by calls of the system; 0 where it does not tell."""
    path = Path("/proc/self/io")
    if not path.exists():
        return 0
    lines = dict(line.split(": ") for line in path.read_text().splitlines())
    return int(lines["rchar"]) + int(lines["wchar"])


@contextmanager
def dropping(folder: Path) -> Iterator[None]:
    """Have nothing of the files below a folder stay in the page cache."""
    is_over = threading.Event()

    def drop() -> None:
        while not is_over.wait(0.02):
            for path in folder.rglob("*"):
                try:
                    file = os.open(path, os.O_RDONLY)
                except OSError:
                    continue
                try:
                    os.fdatasync(file)  # What is not on the disk yet cannot be dropped.
                    os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
                except OSError:
                    pass
                finally:
                    os.close(file)

    thread = threading.Thread(target=drop, daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


if __name__ == "__main__":
    main()
