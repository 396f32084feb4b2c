"""What the runner adds to a bare loop of the same compiled model, at about 50 ms a step.

``python benchmarks/runner.py [tf|torch ...]``. Blocks of steps take turns: the loop that a user would write round the
compiled model, its optimizer and its data, and ``Run.train``. Both are timed from one step's begin to the next one's.
A second row, which has no limit, is against a loop whose batches lie ready, so that making them counts too: on two
processors that takes time away from the step.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from measure import Row, finish

if TYPE_CHECKING:
    from zoo_common.backend import Batch, TrainingModel

LIMIT = 1.02
BLOCKS, STEPS = 8, 25
SPEC = "bert_tiny"
SIZES = ["training.batch_size=18", "training.save_every=100000", f"training.steps={2 * BLOCKS * STEPS}"]


def main() -> None:
    finish([row for framework in sys.argv[1:] or ("torch", "tf") for row in measured(framework)])


def measured(framework: str) -> list[Row]:
    from zoo_common.backend import find_backend
    from zoo_common.data import batch, batches, open_dataset
    from zoo_common.training.denominators import denominators
    from zoo_common.training.spec_run import spec_run
    from zoo_spec import load_spec

    spec = load_spec(SPEC, SIZES)
    seed, size = spec.training.seed, spec.training.batch_size
    with tempfile.TemporaryDirectory() as folder:
        backend = find_backend(framework)()
        run = spec_run(backend, spec, Path(folder) / "run", device="cpu", quiet=True)
        run.train(steps=STEPS)
        model, graph = run.learner.at_work(), run.learner.graph
        data = open_dataset(spec, run.directory, "train")
        ready = [batch(data, seed, step, size) for step in range(STEPS)]
        stamps = stamped(model)

        def loop(given: Iterable[Batch]) -> None:
            for one in given:
                float(model.train_step([one], denominators(graph, one), 1e-4).loss)

        ways = {
            "reading": lambda: loop(batches(data, seed, size, 0, STEPS)),
            "ready": lambda: loop(ready),
            "runner": lambda: run.train(steps=STEPS),
        }
        times: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(BLOCKS):
            for name, way in ways.items():
                stamps.clear()
                way()
                times[name].append(median(after - before for before, after in pairwise(stamps[1:])))
    least = 1000 * median(times["ready"])

    def row(name: str, against: str, limit: float | None) -> Row:
        ratio = median(own / other for own, other in zip(times["runner"], times[against], strict=True))
        return Row(f"runner / {name}, {framework} ({least:.0f} ms a step)", ratio, limit)

    return [row("bare loop", "reading", LIMIT), row("loop over ready batches", "ready", None)]


def stamped(model: TrainingModel) -> list[float]:
    """A list to which the time is added whenever a step begins: from one to the next is all that a step costs."""
    stamps: list[float] = []
    step = model.train_step

    def train_step(*given: object) -> object:
        stamps.append(time.perf_counter())
        return step(*given)

    model.train_step = train_step
    return stamps


if __name__ == "__main__":
    main()
