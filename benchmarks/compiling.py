"""Compiling BERT-base: seconds beyond drawing and copying its initial values, and values drawn a second.

``python benchmarks/compiling.py`` takes the least of some rounds, since what else the machine does only adds.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
from measure import Row, finish

ROUNDS = 3


def least(run: Callable[[], object]) -> float:
    found = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        run()
        found.append(time.perf_counter() - start)
    return min(found)


def main() -> None:
    import zoo_tf
    import zoo_torch
    from zoo_spec import load_spec

    graph = load_spec("bert_base").graph()
    table = graph.parameters()

    def draw() -> dict[str, np.ndarray]:
        return {name: one.initializer.draw(0, name, one.shape) for name, one in table.items()}

    drawn = draw()
    drawing = least(draw)
    copying = least(lambda: [np.array(value) for value in drawn.values()])
    rows = [
        Row("initial values drawn", graph.parameter_count / drawing / 1e6, 15, "million/s", at_least=True)
    ]
    for name, compile_ in (("torch", zoo_torch.compile), ("tf", zoo_tf.compile)):
        compile_(load_spec("bert_tiny"))
        whole = least(lambda compile_=compile_: compile_(graph))
        beyond = whole - drawing - copying
        rows.append(Row(f"compile bert_base, {name}, of {whole:.1f} s beyond the values", beyond, 1.0, "s"))
    finish(rows)


if __name__ == "__main__":
    main()
