"""BERT-base's training step and forward pass, in time and in memory, against transformers' and KerasHub's BERT.

``python benchmarks/training_step.py`` (some minutes) prints a row a limit. It needs the extra ``benchmarks``.
"""

from __future__ import annotations

import argparse

from bert_steps import PEERS
from measure import Row, Worker, alternate_workers, finish, in_process, ratio

LIMITS = {"torch": 0.60, "tf": 0.95}
EQUAL = 1.25
"""How much slower than the other one framework's own step may be."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", choices=["torch", "tf"])
    parser.add_argument("--no-memory", action="store_true")
    given = parser.parse_args()
    frameworks = [given.only] if given.only else list(PEERS)
    rows = []
    names = [name for framework in frameworks for name in (framework, PEERS[framework])]
    workers = {name: Worker("bert_steps.py", name) for name in names}
    for what, key in (("training step", "train"), ("forward pass", "forward")):
        times = alternate_workers(workers, key, given.rounds)
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
    for worker in workers.values():
        worker.close()
    if not given.no_memory:
        for framework in frameworks:
            peer = PEERS[framework]
            held = [in_process("bert_steps.py", name, "peak")["peak"] for name in (framework, peer)]
            what = f"peak memory, {framework} / {peer} ({held[0] / 1e9:.2f} GB, {held[1] / 1e9:.2f} GB)"
            rows.append(Row(what, held[0] / held[1], 1.0))
    print()
    finish(rows)


if __name__ == "__main__":
    main()
