"""What a step on packed rows costs beside one on padded rows of that shape, and how many more real tokens it learns.

``python benchmarks/packed_rows.py`` trains BERT (masked tokens and pairs) in a process for each framework, on
examples of log-normal lengths: mean 45 of 128 tokens, and 114 of 512. Padded and packed steps take turns,
and processor time is taken, as the machine need not be ours alone.
``--layers 12 --width 768`` is BERT-base.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time

import numpy as np
from measure import Row

from zoo_common.data.base import Dataset, Example, Padding
from zoo_common.data.batching.packed import PackedExamples

SAME_SHAPE = 1.1
"""A mask by examples, positions that are looked up, and an answer for each example are all that is more."""
GAIN = 2.4
"""Times as many real tokens a second, at a mean of 45 of 128."""
SHAPES = {"45 of 128": (45, 128, 32), "114 of 512": (114, 512, 8)}
"""Mean and longest, and rows of a batch."""
STEPS = 5


class LogNormal(Dataset):
    """BERT's examples, with a fifth or less of their tokens masked."""

    def __init__(self, mean: int, longest: int, samples: int = 4096) -> None:
        rng, spread = np.random.default_rng(0), 0.8
        drawn = rng.lognormal(np.log(mean) - spread**2 / 2, spread, samples)
        self._sequence = np.clip(drawn, 4, longest).astype(np.int32)
        self._predictions = np.maximum(1, np.round(0.15 * self._sequence)).astype(np.int32)
        self._longest = longest

    def __len__(self) -> int:
        return len(self._sequence)

    def lengths(self):
        return {"sequence": self._sequence, "predictions": self._predictions}

    def padding(self) -> Padding:
        tokens = dict.fromkeys(("input_ids", "token_type_ids", "example_ids"), "sequence")
        masked = dict.fromkeys(("masked_positions", "masked_ids", "masked_weights"), "predictions")
        return Padding(
            tokens | masked, {"sequence": self._longest, "predictions": round(0.15 * self._longest)}
        )

    def example(self, epoch: int, index: int) -> Example:
        rng, length = np.random.default_rng(index), int(self._sequence[index])
        count = int(self._predictions[index])
        return {
            "input_ids": rng.integers(1, 2000, length).astype(np.int32),
            "token_type_ids": (np.arange(length) >= length // 2).astype(np.int32),
            "example_ids": np.ones(length, np.int32),
            "masked_positions": rng.choice(length, count, replace=False).astype(np.int32),
            "masked_ids": rng.integers(1, 2000, count).astype(np.int32),
            "masked_weights": np.ones(count, np.float32),
            "next_sentence_labels": np.asarray(index % 2, np.int32),
        }


def case(framework: str, layers: int, width: int) -> None:
    """Print seconds of a step, and real tokens of it, padded and packed, as JSON."""
    from zoo_common.backend import find_backend
    from zoo_common.training.loop import train_on
    from zoo_common.weights import InitialValues
    from zoo_spec import load_spec

    sizes = (
        f"num_layers={layers}",
        f"hidden_size={width}",
        f"num_heads={width // 64}",
        f"intermediate_size={4 * width}",
    )
    overrides = [
        *(f"model.{size}" for size in sizes),
        "model.vocab_size=2000",
        "training.micro_batch_size=null",
    ]
    found = {}
    for name, (mean, longest, rows) in SHAPES.items():
        spec = load_spec(
            "bert_base", [*overrides, f"data.sequence_length={longest}", f"training.batch_size={rows}"]
        )
        graph, training = spec.graph(), spec.training
        examples = LogNormal(mean, longest)
        packed = PackedExamples(examples, graph)
        batches = {"padded": examples.batch(0, 0, rows), "packed": packed.batch(0, 0, rows)}
        # Of an average batch: one of a few rows has more or fewer.
        tokens = {
            "padded": rows * float(examples.lengths()["sequence"].mean()),
            "packed": rows * longest * packed.share,
        }
        weights = InitialValues(graph.parameters(), training.seed)
        model = find_backend(framework)().for_training(
            graph, training, weights, dtype="float32", device="cpu"
        )
        times: dict[str, list[float]] = {kind: [] for kind in batches}
        for step in range(STEPS + 1):
            for kind, batch in batches.items():
                start = time.process_time()
                float(train_on(model, graph, training, batch, 2 * step).result.loss)
                if step:  # The first one traces.
                    times[kind].append(time.process_time() - start)
        found[name] = {kind: (statistics.median(times[kind]), tokens[kind]) for kind in batches}
    print(json.dumps(found))


def measured(framework: str, layers: int, width: int) -> dict:
    done = subprocess.run(
        [sys.executable, __file__, "--layers", str(layers), "--width", str(width), "--case", framework],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        env={**os.environ, "OMP_WAIT_POLICY": "passive"},
    )
    if done.returncode:
        raise SystemExit(done.stderr[-3000:])
    return json.loads(done.stdout.splitlines()[-1])


def main(layers: int, width: int) -> int:
    rows: list[Row] = []
    for framework in ("torch", "tf"):
        for name, found in measured(framework, layers, width).items():
            (padded, few), (packed, many) = found["padded"], found["packed"]
            gain = (many / packed) / (few / padded)
            print(
                f"{framework}, {name}: padded {few / padded:,.0f} real tokens/s, packed {many / packed:,.0f}, "
                f"{gain:.2f} times; a step {padded:.3f} and {packed:.3f} s",
                flush=True,
            )
            rows.append(
                Row(f"{framework}, {name}: a packed step in padded ones", packed / padded, SAME_SHAPE)
            )
            if name.startswith("45"):
                rows.append(
                    Row(f"{framework}, {name}: padded real tokens/s in packed ones", 1 / gain, 1 / GAIN)
                )
    for row in rows:
        print(row)
    return 0 if all(row.passed for row in rows) else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--layers", type=int, default=3)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--case", metavar="FRAMEWORK")
    given = parser.parse_args()
    if given.case:
        case(given.case, given.layers, given.width)
    else:
        sys.exit(main(given.layers, given.width))
