"""What steps and forward passes of one size gain, in PyTorch on a CPU, where the largest tensors lie in the heap too.

``python benchmarks/alike.py`` prints, by family, the time with this over the time without, each in processes of
their own that take turns, and the most memory that these held. Without, tensors of over 32 MB are mapped, and the
gradient of a table that no head shares is dense.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time

from measure import Row, finish, in_process, peak_bytes, processor

CASES = {
    "gpt_neox": {"width": 1536},
    "gpt2": {},
    "gpt2 longer": {"rows": 8, "length": 512},
    "bert longer": {"rows": 16, "length": 256},
    "vit": {},
}
WARM, RUNS = 3, 4
LIMIT = 1.03
"""Of either: it never costs more than what two runs of the same differ by, but for memory of the largest."""
MEMORY = 1.1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--only", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(one(*given.one)))
        return
    print(processor())
    finish(
        [
            row
            for name in given.only
            for what in ("train", "predict")
            for row in rows(name, what, given.rounds)
        ]
    )


def rows(name: str, what: str, rounds: int) -> list[Row]:
    """A family's time and memory with it over those without."""
    turns = [
        {
            way: in_process("alike.py", "--one", name, what, way)
            for way in ("with", "without")[:: 1 - turn % 2 * 2]
        }
        for turn in range(rounds)
    ]
    return [
        Row(
            f"{name}: {what}: {key} over that without",
            statistics.median(turn["with"][key] / turn["without"][key] for turn in turns),
            limit,
        )
        for key, limit in (("time", LIMIT), ("memory", MEMORY))
    ]


def one(name: str, what: str, way: str) -> dict[str, float]:
    """The median time of some runs, and the most memory that the process held."""
    from family_steps import Case
    from family_steps.zoo import zoo_backend

    from zoo_common import allocation
    from zoo_common.training.denominators import denominators
    from zoo_torch.training import TorchTraining

    if way == "without":
        allocation.ALIKE = 1 << 30
        TorchTraining.sparse_rows = False
    case = Case(family=name.split()[0], **CASES[name])
    backend, batch = zoo_backend("torch", case), case.batch()
    divisors, rate = denominators(case.graph, batch), case.spec.training.optimizer.learning_rate
    features = case.features(case.batch_rows)
    times = []
    for _ in range(WARM + RUNS):
        start = time.perf_counter()
        if what == "train":
            backend.train_step([batch], divisors, rate)
        else:
            backend.predict_step(features)
        times.append(time.perf_counter() - start)
    return {"time": statistics.median(times[-RUNS:]), "memory": peak_bytes()}


if __name__ == "__main__":
    main()
