"""What ``training.freeze`` saves in each framework: of 12 narrow layers of BERT 10 are frozen, or none.

``python benchmarks/freezing.py`` takes a minute or two. Memory is how much a process' peak grew by making the model
and training two steps, a process a case; time is that of steps of both models in turn, in one process.
"""

from __future__ import annotations

import json
import sys

from measure import Row, alternate, finish, in_process, peak_bytes, ratio

OVERRIDES = (
    "model.num_layers=12",
    "model.hidden_size=256",
    "model.num_heads=4",
    "model.intermediate_size=1024",
    "model.vocab_size=2000",
    "data.kind=generated",
    "data.sequence_length=128",
    "training.batch_size=16",
)
FREEZE = 'training.freeze=["embeddings", "encoder.layers.[0-9]"]'
ROUNDS = 4
MEMORY, TIME = 0.6, 0.65
"""Of the growth of the peak, and of a step's time: ten of twelve layers run forward alone, a third of their work."""


def made(framework: str, *overrides: str):
    """A model in training, and a function that takes a step on it."""
    from zoo_common.backend import find_backend
    from zoo_common.data import batch, open_dataset
    from zoo_common.training.loop import train_on
    from zoo_common.weights import InitialValues
    from zoo_spec import load_spec

    spec = load_spec("bert_tiny_classification", [*OVERRIDES, *overrides])
    graph, training = spec.graph(), spec.training
    given = batch(open_dataset(spec, None, "train"), 0, 0, training.batch_size)
    weights = InitialValues(graph.parameters(), training.seed)
    model = find_backend(framework)().for_training(graph, training, weights, dtype="float32", device="cpu")
    return spec, graph, lambda: float(train_on(model, graph, training, given, 0).result.loss)


def memory(framework: str, overrides: list[str]) -> None:
    """Print by how much the peak grew, and what the sum of memory says of it."""
    from zoo_common.backend import find_backend
    from zoo_common.memory import training_bytes

    find_backend(framework)
    before = peak_bytes()
    spec, graph, step = made(framework, *overrides)
    step(), step()
    sums = training_bytes(spec, graph, framework)
    del sums["library"], sums["saving"]
    print(json.dumps({"growth": peak_bytes() - before, "reckoned": sum(sums.values())}))


def time(framework: str) -> None:
    """Print the ratio of the times, and each."""
    ways = {name: made(framework, *given)[2] for name, given in (("frozen", [FREEZE]), ("none", []))}
    times = alternate(ways, ROUNDS)
    print(
        json.dumps(
            {"ratio": ratio(times, "frozen", "none"), **{name: min(each) for name, each in times.items()}}
        )
    )


def main() -> None:
    rows = []
    for framework in ("torch", "tf"):
        frozen, none = (in_process("freezing.py", "memory", framework, *given) for given in ([FREEZE], []))
        taken = in_process("freezing.py", "time", framework)
        print(
            f"{framework}: grew by {frozen['growth'] / 1e6:.0f} MB instead of {none['growth'] / 1e6:.0f} (reckoned "
            f"{frozen['reckoned'] / 1e6:.0f}, {none['reckoned'] / 1e6:.0f}); a step takes {taken['frozen']:.2f} s "
            f"instead of {taken['none']:.2f}",
            flush=True,
        )
        rows.append(
            Row(
                f"{framework}: growth of the peak, 10 of 12 layers frozen",
                frozen["growth"] / none["growth"],
                MEMORY,
            )
        )
        rows.append(Row(f"{framework}: time of a step, 10 of 12 layers frozen", taken["ratio"], TIME))
    finish(rows)


if __name__ == "__main__":
    if sys.argv[1:2] == ["memory"]:
        memory(sys.argv[2], sys.argv[3:])
    elif sys.argv[1:2] == ["time"]:
        time(sys.argv[2])
    else:
        main()
