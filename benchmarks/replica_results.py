"""Two, three and four replicas against one process, float64: what fifty steps give.

``python benchmarks/replica_results.py [--framework tf]`` (a minute or two; in TensorFlow some ten) prints a row a
case: the largest difference of weights and moments from one process', of all replicas, which must have the same bits.
Those of PyTorch are threads here, joined by gloo as processes are; those of TensorFlow are processes.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from measure import Row, finish

from zoo_common.backend import Batch, State, find_backend
from zoo_common.data import open_dataset
from zoo_common.data.batching.packed import PackedExamples
from zoo_common.replicas import ALONE, Replicas
from zoo_common.training.loop import train_on
from zoo_common.weights import InitialValues
from zoo_spec import load_spec
from zoo_spec.experiment import ExperimentSpec
from zoo_spec.shrink import shrunk

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))

from fleet import fleet
from forked import forked
from uneven import UnevenExamples

STEPS = 50
LIMIT = 1e-12
TEXT = (
    "data.kind=generated",
    "training.random=portable",
    "model.dropout=0.1",
    "model.attention_dropout=0.1",
    "training.optimizer={kind: adamw, weight_decay: 0.1, max_gradient_norm: 0.5}",
)
CASES = {
    "uneven rows, clipping, portable dropout": (
        "bert_tiny",
        (*TEXT, "training.batch_size=7", "training.micro_batch_size=null"),
    ),
    "micro-batches": ("bert_tiny", (*TEXT, "training.batch_size=9", "training.micro_batch_size=3")),
    "packed rows": ("gpt2_tiny", (*TEXT, "training.batch_size=5")),
    "a frozen part": (
        "bert_tiny_classification",
        (*TEXT, "training.batch_size=5", 'training.freeze=["embeddings", "encoder.layers.0"]'),
    ),
    "statistics of all": ("unet_tiny", ("training.batch_size=5", "model.norm.statistics=synchronized")),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--framework", choices=("torch", "tf"), default="torch")
    parser.add_argument("--sizes", type=int, nargs="+", default=[2, 3, 4])
    given = parser.parse_args()
    all_of = {"torch": fleet, "tf": forked}[given.framework]
    # TensorFlow's processes are forked before this one computes.
    found = {
        size: all_of(size, lambda replicas: every(given.framework, replicas.size, replicas))
        for size in given.sizes
    }
    rows = []
    for size, replicas in found.items():
        for what, wanted in every(given.framework, size).items():
            states = [each[what] for each in replicas]
            apart = max(difference(state, wanted) for state in states)
            rows.append(Row(f"{size} replicas, {what}", apart, LIMIT))
            same = max(difference(state, states[0]) for state in states)
            rows.append(Row(f"{size} replicas, {what}: from each other", same, 0))
    finish(rows)


def every(framework: str, size: int, replicas: Replicas = ALONE) -> dict[str, State]:
    """What each case gives: those for so many replicas."""
    none = ("gpt2_tiny", (*TEXT, f"training.batch_size={size - 1}"))
    found = {}
    for what, (name, settings) in {**CASES, "a replica with no rows": none}.items():
        spec = shrunk(load_spec(name, settings))
        found[what] = trained(framework, spec, batches(spec, packed=what == "packed rows"), replicas)
    return found


def batches(spec: ExperimentSpec, *, packed: bool) -> Callable[[int], Batch]:
    """The batch of each step."""
    data = open_dataset(spec, None, "train")
    if packed:
        graph = spec.graph()
        data = PackedExamples(UnevenExamples(graph, {"sequence": 20}, 60), graph)
    return lambda step: data.batch(0, step, spec.training.batch_size)


def trained(
    framework: str, spec: ExperimentSpec, given: Callable[[int], Batch], replicas: Replicas = ALONE
) -> State:
    """The state after all steps."""
    graph, training = spec.graph(), spec.training
    weights = InitialValues(graph.parameters(), training.seed)
    model = find_backend(framework)().for_training(
        graph, training, weights, dtype="float64", device="cpu", replicas=replicas
    )
    for step in range(STEPS):
        train_on(model, graph, training, given(step), step, replicas=replicas)
    return model.export_state()


def difference(found: State, wanted: State) -> float:
    """The largest of weights and moments."""
    pairs = ((found.weights, wanted.weights), (found.optimizer, wanted.optimizer))
    return max(
        float(np.max(np.abs(mine[name] - value), initial=0))
        for mine, other in pairs
        for name, value in other.items()
    )


if __name__ == "__main__":
    main()
