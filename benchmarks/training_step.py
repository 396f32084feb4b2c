"""BERT-base's training step and forward pass, in time and in memory, against transformers' and KerasHub's BERT.

``python benchmarks/training_step.py`` (some minutes) prints a row a limit. It needs the extra ``benchmarks``. How
far we are ahead of the others depends on the processor, by what their libraries make of it; what travels between
machines is a step's floating-point rate as a share of the best that a matrix product of the model's sizes reaches in
either framework.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping

from bert_steps import PEERS, PRODUCTS, REPEATS, Case
from measure import Row, Worker, alternate_workers, finish, in_process, processor, ratio

LIMITS = {"torch": 0.60, "tf": 0.95}
EQUAL = 1.25
"""How much slower than the other one framework's own step may be."""
SHARE = 0.80
"""Of the best product's rate that a training step reaches at least; 0.70 to 0.87 seen."""

Times = Mapping[str, list[float]]
"""Seconds of each round, by worker."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", choices=["torch", "tf"])
    parser.add_argument("--no-memory", action="store_true")
    given = parser.parse_args()
    frameworks = [given.only] if given.only else list(PEERS)
    print(processor())
    rows, steps = [], {}
    names = [name for framework in frameworks for name in (framework, PEERS[framework])]
    workers = {name: Worker("bert_steps.py", name) for name in names}
    for what, key in (("training step", "train"), ("forward pass", "forward")):
        times = steps[what] = alternate_workers(workers, key, given.rounds)
        for framework in frameworks:
            peer = PEERS[framework]
            seconds = ", ".join(f"{min(times[name]):.2f} s" for name in (framework, peer))
            rows.append(
                Row(
                    f"{what}, {framework} / {peer} ({seconds})",
                    ratio(times, framework, peer),
                    LIMITS[framework],
                )
            )
        if key == "train" and not given.only:
            apart = ratio(times, "torch", "tf")
            rows.append(Row("training step, the slower framework / the faster", max(apart, 1 / apart), EQUAL))
    best = best_product(
        {sizes: alternate_workers(workers, f"product {sizes}", given.rounds) for sizes in PRODUCTS}
    )
    for worker in workers.values():
        worker.close()
    training, forward = Case().flops()
    rows += shares("training step", training, steps["training step"], frameworks, best, SHARE)
    rows += shares("forward pass", forward, steps["forward pass"], frameworks, best, None)
    if not given.no_memory:
        for framework in frameworks:
            peer = PEERS[framework]
            held = [in_process("bert_steps.py", name, "peak")["peak"] for name in (framework, peer)]
            what = f"peak memory, {framework} / {peer} ({held[0] / 1e9:.2f} GB, {held[1] / 1e9:.2f} GB)"
            rows.append(Row(what, held[0] / held[1], 1.0))
    print()
    finish(rows)


def best_product(times: Mapping[tuple[int, int, int], Times]) -> float:
    """FLOP/s of the fastest run of ``REPEATS`` products, of all sizes, workers and rounds."""
    return max(
        2 * rows * inner * columns * REPEATS / min(map(min, by_worker.values()))
        for (rows, inner, columns), by_worker in times.items()
    )


def shares(
    what: str, flops: int, times: Times, frameworks: list[str], best: float, limit: float | None
) -> list[Row]:
    """The rate of each framework's fastest step, as a share of the best product's."""
    found = []
    for framework in frameworks:
        rate = flops / min(times[framework])
        told = f"{what}, {framework}: share of the products' {rate / 1e9:.0f} / {best / 1e9:.0f} GFLOP/s"
        found.append(Row(told, rate / best, limit, at_least=True))
    return found


if __name__ == "__main__":
    main()
