"""Tokens a second of the pipeline alone against what training eats, dynamic masking, by workers and batching.

``python benchmarks/pipeline.py [torch|tf ...]``. Blocks take turns: batches that somebody waits for, by a thread of
this process, one worker process and two, and steps of training on batches that lie ready. Tokens are those that are
no padding. The limit holds for the best of the three: which one that is depends on the cores.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from measure import Row, alternate, finish

if TYPE_CHECKING:
    from zoo_spec.experiment import ExperimentSpec

LEAST = 20.0
SPEC, LABELLED = "bert_tiny", "bert_tiny_classification"
WORKERS = (0, 1, 2)
BLOCKS, BATCHES, STEPS = 7, 120, 4
FOREVER = 1_000_000


def main() -> None:
    from zoo_common.data.batching import batched
    from zoo_spec import load_spec
    from zoo_spec.data import Batching

    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        for framework in sys.argv[1:] or ("torch", "tf"):
            rows += against_training(load_spec(SPEC), framework, Path(folder) / framework)
        kinds = [each for each in batched.registry if each not in (object, Batching)]
        for batching in (each.model_fields["kind"].default for each in kinds):
            spec = load_spec(LABELLED, [f"data.batching={batching}"])
            rows += by_batching(spec, batching, Path(folder) / batching)
    finish(rows)


def against_training(spec: ExperimentSpec, framework: str, folder: Path) -> list[Row]:
    from zoo_common.backend import find_backend
    from zoo_common.training.denominators import denominators
    from zoo_common.training.loop import real_tokens
    from zoo_common.weights import InitialValues

    graph = spec.graph()
    model = find_backend(framework)().for_training(
        graph,
        spec.training,
        InitialValues(graph.parameters(), spec.training.seed),
        dtype=spec.training.precision,
        device="cpu",
    )
    with ExitStack() as held:
        feeds = {f"{count} workers": fed(spec, folder, count, held) for count in WORKERS}
        ready = list(islice(feeds["0 workers"], STEPS))

        def train() -> None:
            for one in ready:
                float(model.train_step([one], denominators(graph, one), 1e-4).loss)

        ways: dict[str, Callable[[], object]] = {name: taking(feed) for name, feed in feeds.items()}
        times = alternate({**ways, "training": train}, BLOCKS)
        a_batch = sum(real_tokens(one) or 0 for one in ready) / STEPS
    eaten = STEPS * a_batch / median(times["training"])
    rows = [Row(f"{framework}: training eats, thousand tokens/s", eaten / 1000, None)]
    best = min(ways, key=lambda name: median(times[name]))
    for name in ways:
        each = [
            (took / STEPS) / (own / BATCHES) for own, took in zip(times[name], times["training"], strict=True)
        ]
        limit = LEAST if name == best else None
        rows.append(
            Row(f"{framework}: pipeline with {name} / training, tokens/s", median(each), limit, at_least=True)
        )
    return rows


def by_batching(spec: ExperimentSpec, batching: str, folder: Path) -> list[Row]:
    from zoo_common.training.loop import real_tokens

    with ExitStack() as held:
        feeds = {f"{count} workers": fed(spec, folder, count, held) for count in WORKERS}
        tokens = [real_tokens(one) or 0 for one in islice(feeds["0 workers"], BATCHES)]
        times = alternate({name: taking(feed) for name, feed in feeds.items()}, BLOCKS)
    return [
        Row(f"{SPEC} classes, {batching}, {name}, thousand tokens/s", sum(tokens) / 1000 / median(took), None)
        for name, took in times.items()
    ]


def fed(spec: ExperimentSpec, folder: Path, workers: int, held: ExitStack) -> Iterator[object]:
    """Batches without an end, of processes that are ready."""
    from zoo_common.data import Recipe, batches_by, open_dataset

    folder.mkdir(exist_ok=True)
    dataset = open_dataset(spec, folder, "train")
    found = batches_by(workers, Recipe(spec, folder), dataset, 0, FOREVER)
    held.callback(found.close)
    next(found)
    return found


def taking(feed: Iterator[object]) -> Callable[[], object]:
    return lambda: list(islice(feed, BATCHES))


if __name__ == "__main__":
    main()
