"""``zoo parity --spec bert_tiny``, all levels, start-up included; and the traces of TensorFlow's step.

Two minutes are the limit on two cores that do nothing else.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
from measure import Row, finish

LENGTHS, STEPS = (16, 24, 32), 50


def traces() -> int:
    """How often TensorFlow traced the training step in 50 steps of three sequence lengths."""
    from zoo_common.backend import find_backend
    from zoo_common.data.base import batch
    from zoo_common.data.opening import open_dataset
    from zoo_common.training.loop import train_on
    from zoo_common.weights import InitialValues
    from zoo_spec import load_spec

    spec = load_spec("bert_tiny", ["data.kind=generated", "training.batch_size=4"])
    graph, training = spec.graph(), spec.training
    weights = InitialValues(graph.parameters(), training.seed)
    model = find_backend("tf")().for_training(graph, training, weights, dtype="float32", device="cpu")
    data = open_dataset(spec, None, "train")
    for step in range(STEPS):
        length = LENGTHS[step % len(LENGTHS)]
        given = batch(data, 0, step, training.batch_size)
        cut = {
            name: value[:, :length] if graph.inputs[name].shape[1:2] == ("sequence",) else value
            for name, value in given.items()
        }
        if "masked_positions" in cut:
            cut["masked_positions"] = np.minimum(cut["masked_positions"], length - 1)
        train_on(model, graph, training, cut, step)
    return model.traces


def main() -> None:
    zoo = str(Path(sys.executable).with_name("zoo"))
    start = time.perf_counter()
    subprocess.run([zoo, "parity", "--spec", "bert_tiny"], check=True, capture_output=True)
    rows = [Row("zoo parity --spec bert_tiny, all levels", time.perf_counter() - start, 120, "s")]
    rows.append(Row(f"traces of TensorFlow's step, {STEPS} steps of three lengths", traces(), 1))
    finish(rows)


if __name__ == "__main__":
    main()
