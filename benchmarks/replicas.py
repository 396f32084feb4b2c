"""Two replicas on two cores against one process on both, the same global batch.

``python benchmarks/replicas.py [--framework tf]`` (some minutes) prints a row a limit: the time of a step, with the
sum of gradients overlapped with the backward pass and, in PyTorch, after it, and the bytes on the wire, by the
loopback's counters. One machine has nothing to gain from replicas; this shows what they cost.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import socket
import statistics
import subprocess
import sys
import time
from contextlib import nullcontext

import psutil
from measure import Row, finish, processor

CORES = 2
RATIO = 1.25
"""How much longer than one process two of them may take for a step."""
WIRE = 0.02
"""How far the bytes on the wire may be from the formula, of their number: headers, and what is sent of losses."""
SIZES = [
    "model.num_layers=4",
    "model.hidden_size=512",
    "model.num_heads=8",
    "model.intermediate_size=2048",
    "training.batch_size=16",
    "training.random=portable",
    "data.kind=generated",
    "data.sequence_length=64",
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--framework", choices=("torch", "tf"), default="torch")
    parser.add_argument("--worker", nargs=4, metavar=("RANK", "SIZE", "PORT", "WAY"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.worker:
        rank, size, port, way = given.worker
        worker(given.framework, int(rank), int(size), int(port), way, given.steps)
        return
    print(processor())
    ways = {"alone": 1, "overlapped": CORES}
    if given.framework == "torch":
        ways["after"] = CORES
    found: dict[str, list[dict[str, float]]] = {way: [] for way in ways}
    for _ in range(given.rounds):
        for way, size in ways.items():
            found[way].append(together(given.framework, way, size, given.steps))
    seconds = {way: [each["seconds"] for each in rounds] for way, rounds in found.items()}
    told = ", ".join(f"{way} {min(times):.2f} s" for way, times in seconds.items())
    rows = [
        Row(
            f"a step of two replicas / of one process ({told})", _ratio(seconds, "overlapped", "alone"), RATIO
        ),
    ]
    if "after" in ways:
        what = "the sum overlapped with the backward pass / after it"
        rows.append(Row(what, _ratio(seconds, "overlapped", "after"), None))
    wire = min(each["wire"] for each in found["overlapped"])
    expected = 2 * (CORES - 1) * found["overlapped"][0]["gradients"]
    rows.append(
        Row(
            f"bytes on the wire a step, {wire / 1e6:.1f} MB, off 2 (N - 1) x {expected / 2e6:.1f} MB of gradients",
            abs(wire / expected - 1),
            WIRE,
        )
    )
    finish(rows)


def together(framework: str, way: str, size: int, steps: int) -> dict[str, float]:
    """Replica 0's numbers, of replicas that share the cores evenly."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    names = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
    environment = {**os.environ, **dict.fromkeys(names, str(CORES // size)), "OMP_WAIT_POLICY": "passive"}
    command = [sys.executable, __file__, "--steps", str(steps), "--framework", framework, "--worker"]
    processes = [
        subprocess.Popen(
            [*command, *map(str, (rank, size, port, way))],
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        for rank in range(size)
    ]
    answers = [process.communicate()[0] for process in processes]
    if any(process.returncode for process in processes):
        raise SystemExit(f"{way}: a replica failed")
    return json.loads(answers[0].strip().splitlines()[-1])


def worker(framework: str, rank: int, size: int, port: int, way: str, steps: int) -> None:
    """Train, and print the median time of a step, the bytes on the wire a step, and those of the gradients."""
    from zoo_common.backend import find_backend
    from zoo_common.data import batch, open_dataset
    from zoo_common.replicas import ALONE, Environment
    from zoo_common.training.loop import train_on
    from zoo_common.weights import InitialValues
    from zoo_spec import load_spec

    spec = load_spec("bert_base", SIZES)
    graph, training = spec.graph(), spec.training
    backend = find_backend(framework)()
    replicas = ALONE if size == 1 else backend.join(Environment(rank, size, rank, f"127.0.0.1:{port}"))
    weights = InitialValues(graph.parameters(), 0)
    model = backend.for_training(graph, training, weights, dtype="float32", device="cpu", replicas=replicas)
    if way == "after":
        model.sums.watching = nullcontext
    data = open_dataset(spec, None, "train")
    given = [batch(data, 0, index, training.batch_size) for index in range(2 + steps)]
    times, wire = [], []
    for index, each in enumerate(given):
        before, start = psutil.net_io_counters(pernic=True)["lo"].bytes_sent, time.perf_counter()
        float(train_on(model, graph, training, each, index, replicas=replicas).result.loss)
        times.append(time.perf_counter() - start)
        replicas.barrier()
        wire.append(psutil.net_io_counters(pernic=True)["lo"].bytes_sent - before)
    gradients = sum(4 * math.prod(value.shape) for value in model.parameters.values())
    found = {"seconds": statistics.median(times[2:]), "wire": min(wire[2:]), "gradients": gradients}
    print(json.dumps(found), flush=True)
    replicas.leave()


def _ratio(seconds: dict[str, list[float]], ours: str, other: str) -> float:
    return statistics.median(a / b for a, b in zip(seconds[ours], seconds[other], strict=True))


if __name__ == "__main__":
    main()
