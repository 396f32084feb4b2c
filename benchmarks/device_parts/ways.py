"""``ways.py FRAMEWORK DEVICE [--small]``: BERT-base's and GPT-2's training in bfloat16, as ``zoo train`` has it.

With dropout and the optimizer; the share of the device's peak is that of the products which ``zoo describe`` counts.
Each also with ``training.compile: on``, whose losses must be the same, with the seconds of its first step.
Then GPT-2 in the other ways to train it, whose losses must be the resident ones, by the time of a step and the memory
on the device: with its weights on the host, divided over replicas of which there is one (FSDP2), and as this one
replica, whose gradients are summed.
"""

from __future__ import annotations

import os
import socket
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from device_parts.peak import matmul_flops, published
from device_parts.place import place
from device_parts.rows import row, say
from device_parts.wheels import is_there
from zoo_common.backend import find_backend
from zoo_common.data import batch, open_dataset
from zoo_common.memory import step_sizes
from zoo_common.replicas import ALONE, Environment
from zoo_common.training.loop import train_on
from zoo_common.weights import Entry, WeightSource
from zoo_spec import load_spec
from zoo_spec.experiment import ExperimentSpec
from zoo_spec.graph import Graph

MODELS = {"bert_base": (256, 128), "gpt2_small": (16, 1024)}
"""Rows and tokens a step on a GPU."""
TINY = {"bert_base": "bert_tiny", "gpt2_small": "gpt2_tiny"}
COMPILING = 60
"""Seconds that a model's start-up may take; with fewer left nothing is compiled."""
BEGAN = time.monotonic()
NEAR = 0.01
"""How far losses of the other ways may be from resident ones, of their size: bfloat16 keeps 8 bits."""


class Drawn(WeightSource):
    """Weights as they are before training, drawn in a second."""

    def __init__(self, graph: Graph) -> None:
        self._parameters = graph.parameters()
        self.entries = {name: Entry("float32", each.shape) for name, each in self._parameters.items()}

    def read(self, name: str) -> np.ndarray:
        shape = self.entries[name].shape
        if self._parameters[name].role == "norm":
            return np.full(shape, float(name.endswith("weight")), np.float32)
        draw = np.random.default_rng(sum(name.encode()))
        return 0.02 * draw.standard_normal(shape, np.float32)


@dataclass(frozen=True)
class Way:
    """A way to train, by what of the spec it changes, and whether it has joined replicas, of which it is the one."""

    name: str
    settings: tuple[str, ...]
    joined: bool


@dataclass(frozen=True)
class Steps:
    """What some steps were: losses, the first's time, the median of later ones', the most memory on the device."""

    losses: list[float]
    first: float
    seconds: float
    device_bytes: int


def main() -> None:
    framework, asked, *small = sys.argv[1:]
    device = place(framework, asked)
    count = 3 if small else 10
    peak = matmul_flops(device, "bfloat16") if is_there("torch") else None
    for name, (rows, length) in MODELS.items():
        settings = _settings(*((2, 32) if small else (rows, length)), bool(small))
        spec = load_spec(TINY[name] if small else name, [*settings, "training.compile=off"])
        what = f"training, {spec.name}, {framework}, bfloat16, {device}"
        wanted = run(framework, device, spec, count, joined=False)
        row(f"{what}: a step", 1e3 * wanted.seconds, None, "ms")
        _shares(what, spec, wanted.seconds, peak)
        if framework == "torch" and not (
            small and name == list(MODELS)[-1]
        ):  # One is enough to try the script.
            _compiled(framework, device, TINY[name] if small else name, settings, wanted, peak)
    for way in ways(framework):
        told = f"{spec.name}, {way.name}, {framework}, {device}"
        try:
            other = load_spec(
                TINY[name] if small else name, [*settings, "training.compile=off", *way.settings]
            )
            found = run(framework, device, other, min(count, 4), joined=way.joined)
        except Exception as error:
            say(f"{told}: {type(error).__name__}: {str(error)[:500]}")
            row(f"{told}: did not run", 1, 0)
            continue
        apart = max(abs(a / b - 1) for a, b in zip(found.losses, wanted.losses, strict=False))
        row(f"{told}: losses, against resident", apart, NEAR)
        row(f"{told}: time of a step, over resident", found.seconds / wanted.seconds)
        if found.device_bytes:
            row(f"{told}: device memory, over resident", found.device_bytes / wanted.device_bytes)


def _compiled(
    framework: str, device: str, name: str, settings: list[str], wanted: Steps, peak: float | None
) -> None:
    """The rows of a model's training as a program."""
    what = f"{name}, compiled, {framework}, {device}"
    left = float(os.environ.get("DEVICE_STAGE_SECONDS", "inf")) - (time.monotonic() - BEGAN)
    if left < COMPILING:
        say(f"{what}: {left:.0f} s are left, and compiling may take {COMPILING} s")
        return
    spec = load_spec(name, [*settings, "training.compile=on"])
    try:
        found = run(framework, device, spec, len(wanted.losses) - 2, joined=False)
    except Exception as error:
        say(f"{what}: {type(error).__name__}: {str(error)[:500]}")
        row(f"{what}: did not run", 1, 0)
        return
    apart = max(abs(a / b - 1) for a, b in zip(found.losses, wanted.losses, strict=True))
    row(f"{what}: losses, against uncompiled", apart, NEAR)
    row(f"{what}: first step", found.first, None, "s")
    row(f"{what}: a step", 1e3 * found.seconds, None, "ms")
    row(
        f"{what}: time of a step, over uncompiled",
        found.seconds / wanted.seconds,
        1 if device == "gpu" else None,
    )
    if found.device_bytes:
        row(f"{what}: device memory, over uncompiled", found.device_bytes / wanted.device_bytes)
    _shares(what, spec, found.seconds, peak)


def ways(framework: str) -> list[Way]:
    """Those that a framework has beside the resident one."""
    streamed = Way("weights on the host", ("training.execution=weight_streaming",), False)
    if framework != "torch":
        return [streamed]
    divided = Way("divided over one replica", ("training.sharding=full",), True)
    return [streamed, divided, Way("one replica", (), True)]


def run(framework: str, device: str, spec: ExperimentSpec, count: int, *, joined: bool) -> Steps:
    """So many steps after two that warm up, each of which waits for its loss."""
    graph, training = spec.graph(), spec.training
    backend = find_backend(framework)()
    meeting = Environment(0, 1, 0, f"127.0.0.1:{_free_port()}")
    replicas = backend.join(meeting) if joined else ALONE
    data = open_dataset(spec, None, "train")
    given = [batch(data, training.seed, index, training.batch_size) for index in range(2 + count)]
    losses, times = [], []
    with tempfile.TemporaryDirectory(prefix="zoo-device-working-") as working:
        model = backend.for_training(
            graph,
            training,
            Drawn(graph),
            dtype=training.precision,
            device=device,
            working=Path(working),
            replicas=replicas,
        )
        _forget_peak(framework, device)
        for index, each in enumerate(given):
            start = time.perf_counter()
            losses.append(float(train_on(model, graph, training, each, index, replicas=replicas).result.loss))
            times.append(time.perf_counter() - start)
        found = Steps(losses, times[0], statistics.median(times[2:]), _peak(framework, device))
    replicas.leave()
    return found


def _settings(rows: int, length: int, small: bool) -> list[str]:
    return [
        *(["model.num_layers=1"] if small else []),
        "training.precision=bfloat16",
        f"training.batch_size={rows}",
        "training.micro_batch_size=null",
        "training.recompute=false",
        "data.kind=generated",
        f"data.sequence_length={length}",
    ]


def _shares(what: str, spec: ExperimentSpec, seconds: float, peak: float | None) -> None:
    rate = spec.graph().cost(**step_sizes(spec, spec.graph())).training_flops / seconds
    if peak:
        row(f"{what}: of the measured peak", 100 * rate / peak, None, "%")
    if is_there("torch"):
        import torch

        known = published(torch.cuda.get_device_name()) if torch.cuda.is_available() else None
        if known:
            row(f"{what}: of the published peak", 100 * rate / known, None, "%")


def _forget_peak(framework: str, device: str) -> None:
    if framework == "torch" and device == "gpu":
        import torch

        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def _peak(framework: str, device: str) -> int:
    """The most bytes that tensors held on the device since; 0 where that is not known."""
    if framework != "torch" or device != "gpu":
        return 0
    import torch

    return torch.cuda.max_memory_allocated()


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


if __name__ == "__main__":
    main()
