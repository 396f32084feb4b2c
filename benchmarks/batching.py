"""Real tokens a second of training BERT-base at log-normal lengths of mean 45 of 128: padded, bucketed and packed.

``python benchmarks/batching.py`` takes about six minutes on two cores: a process for each framework, in which steps
of all kinds take turns, on batches of as many tokens. A bucket's steps count by how often an epoch has them.
``--quick`` trains three layers of 256 in a minute.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time

from measure import Row
from packed_rows import LogNormal

from zoo_common.backend import Batch, find_backend
from zoo_common.data import Wanted
from zoo_common.data.batching import batched
from zoo_common.data.batching.bucketed import BucketedExamples
from zoo_common.data.batching.packed import PackedExamples
from zoo_common.training.loop import train_on
from zoo_common.weights import InitialValues
from zoo_spec import load_spec
from zoo_spec.data import Bucketed

LIMITS = {"bucketed": 1.9, "packed": 2.4}
"""Times as many real tokens a second as padded."""
MEAN, LONGEST, ROWS = 45, 128, 8
BUCKETS = 6
SIZES = {False: (12, 768), True: (3, 256)}
"""Layers and width, and those of ``--quick``."""


def kinds(examples: LogNormal, wanted: Wanted) -> dict[str, list[tuple[Batch, float, float]]]:
    """For each kind of batching: batches, how often an epoch has such, and real tokens of the average one."""
    lengths = examples.lengths()["sequence"]
    buckets = batched(Bucketed(buckets=BUCKETS, tokens=ROWS * LONGEST), examples, wanted)
    assert isinstance(buckets, BucketedExamples)
    packed = PackedExamples(examples, wanted.graph)
    found: dict[int, Batch] = {}
    step = 0
    while len(found) < len(buckets.buckets):
        batch = buckets.batch(0, step, ROWS)
        found.setdefault(batch["input_ids"].shape[1], batch)
        step += 1
    in_buckets, lower = [], 0
    for bucket, rows in zip(buckets.buckets, buckets.rows(ROWS), strict=True):
        mean = float(lengths[(lengths > lower) & (lengths <= bucket.bound)].mean())
        in_buckets.append((found[bucket.bound], len(bucket.examples) / rows, rows * mean))
        lower = bucket.bound
    return {
        "padded": [(examples.batch(0, 0, ROWS), 1, ROWS * float(lengths.mean()))],
        "bucketed": in_buckets,
        "packed": [(packed.batch(0, 0, ROWS), 1, ROWS * LONGEST * packed.share)],
    }


def case(framework: str, *, quick: bool, rounds: int) -> None:
    """Print real tokens a second by kind of batching, as JSON."""
    layers, width = SIZES[quick]
    sizes = [f"num_layers={layers}", f"hidden_size={width}", f"num_heads={width // 64}"]
    sizes += [f"intermediate_size={4 * width}"]
    training = ["training.micro_batch_size=null", f"training.batch_size={ROWS}"]
    shape = [f"data.sequence_length={LONGEST}"]
    spec = load_spec("bert_base", [*(f"model.{size}" for size in sizes), *training, *shape])
    graph = spec.graph()
    examples = LogNormal(MEAN, LONGEST)
    batches = kinds(examples, Wanted(spec, graph, "train"))
    weights = InitialValues(graph.parameters(), spec.training.seed)
    model = find_backend(framework)().for_training(
        graph, spec.training, weights, dtype="float32", device="cpu"
    )
    times: dict[tuple[str, int], list[float]] = {}
    for turn in range(rounds + 1):
        for kind, each in batches.items():
            for number, (batch, _, _) in enumerate(each):
                start = time.perf_counter()
                float(train_on(model, graph, spec.training, batch, turn).result.loss)
                if turn:  # The first one traces, and sees each shape for the first time.
                    times.setdefault((kind, number), []).append(time.perf_counter() - start)
    found = {}
    for kind, each in batches.items():
        seconds = sum(
            often * statistics.median(times[kind, number]) for number, (_, often, _) in enumerate(each)
        )
        found[kind] = sum(often * tokens for _, often, tokens in each) / seconds
    print(json.dumps(found))


def main(*, quick: bool, rounds: int) -> int:
    """Both frameworks, one after the other; 1 where a limit is not met."""
    rows = []
    for framework in ("torch", "tf"):
        command = [sys.executable, __file__, "--case", framework, "--rounds", str(rounds)]
        done = subprocess.run(
            [*command, *["--quick"] * quick],
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
            env={**os.environ, "OMP_WAIT_POLICY": "passive"},
        )
        if done.returncode:
            raise SystemExit(done.stderr[-3000:])
        found = json.loads(done.stdout.splitlines()[-1])
        said = ", ".join(f"{kind} {rate:,.0f}" for kind, rate in found.items())
        print(f"{framework}: real tokens/s {said}", flush=True)
        for kind, limit in LIMITS.items():
            ratio = found[kind] / found["padded"]
            rows.append(Row(f"{framework}: real tokens/s {kind} in padded ones", ratio, limit, at_least=True))
    for row in rows:
        print(row)
    return 0 if all(row.passed for row in rows) else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a smaller model, for trying")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--case", metavar="FRAMEWORK")
    given = parser.parse_args()
    if given.case:
        case(given.case, quick=given.quick, rounds=given.rounds)
    else:
        sys.exit(main(quick=given.quick, rounds=given.rounds))
