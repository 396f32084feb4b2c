"""What a checkpoint costs: ``CheckpointStore.save`` against safetensors' own ``save_file`` and a sync.

``python benchmarks/saving.py`` writes weights and both moments of AdamW, 75 million values in all, either way in
turn, and prints both rates and their ratio with its limit. Ours also hashes every byte, looks for room, writes
the manifest and syncs the directories. Either keeps the last two.
"""

from __future__ import annotations

import itertools
import os
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

import numpy as np
from measure import Row, alternate, ratio
from safetensors.numpy import save_file

from zoo_common.checkpoint import CheckpointStore

SHAPE, TENSORS, ROUNDS = (1000, 2500), 10, 7


def main() -> int:
    draw = np.random.default_rng(0)
    weights = {f"layers.{index}.weight": draw.random(SHAPE, np.float32) for index in range(TENSORS)}
    moments = ("first_moment", "second_moment")
    optimizer = {f"{name}/{moment}": array + 1 for name, array in weights.items() for moment in moments}
    megabytes = sum(array.nbytes for arrays in (weights, optimizer) for array in arrays.values()) / 1e6
    with tempfile.TemporaryDirectory(prefix="saving-") as root:
        store, steps = CheckpointStore(Path(root) / "ours"), itertools.count(1)

        plain_steps = itertools.count(1)

        def plain() -> None:
            step = next(plain_steps)
            directory = Path(root) / f"plain-{step}"
            directory.mkdir()
            for name, arrays in (("weights", weights), ("optimizer", optimizer)):
                path = directory / f"{name}.safetensors"
                save_file(arrays, path)
                with path.open("rb") as file:
                    os.fsync(file.fileno())
            shutil.rmtree(Path(root) / f"plain-{step - 2}", ignore_errors=True)

        ways = {
            "CheckpointStore.save": lambda: store.save(next(steps), weights, optimizer, {}, "0"),
            "save_file and fsync": plain,
        }
        times = alternate(ways, ROUNDS)
    for name, found in times.items():
        print(f"{name:<66}{megabytes / statistics.median(found):>9.0f} MB/s")
    row = Row("saving, time against save_file and fsync", ratio(times, *times), 2.0)
    print(row)
    return 0 if row.passed else 1


if __name__ == "__main__":
    sys.exit(main())
