"""``bert.py FRAMEWORK DEVICE [--small]``: a training step and a forward pass of BERT, ours and the other library's.

Both on the same device and batch, in bfloat16 and float32, and in bfloat16 compiled (``torch.compile``, XLA); the
share of the device's peak is that of the products which ``zoo describe`` counts.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from dataclasses import replace

from family_steps import PEERS, Case, Steps, setup

from device_parts.peak import matmul_flops, published
from device_parts.place import place
from device_parts.rows import row, say
from device_parts.wheels import is_there

BEGAN = time.monotonic()
COMPILING = 75
"""Seconds that a compiled way takes, of both libraries."""
STEPS = ("training step", "forward")
MODULES = {"transformers": "transformers", "kerashub": "keras_hub"}


def main() -> None:
    framework, asked, *small = sys.argv[1:]
    device = place(framework, asked)
    rows = 2 if small else 64 if device == "gpu" else 8
    case = Case(device=device, rows=rows, length=32 if small else 128, tiny=bool(small))
    peer = PEERS[framework]
    if not is_there(MODULES[peer]):
        say(f"{peer} is not installed, so there is nothing to hold {framework} against")
    names = [framework, *([peer] if is_there(MODULES[peer]) else [])]
    flops = case.flops()
    peak = matmul_flops(device, "bfloat16") if is_there("torch") else None
    ways = [("bfloat16", False)] if small else [("bfloat16", False), ("float32", False), ("bfloat16", True)]
    for dtype, compiled in ways:
        left = float(os.environ.get("DEVICE_STAGE_SECONDS", "inf")) - (time.monotonic() - BEGAN)
        if compiled and left < COMPILING:
            say(f"{left:.0f} s are left, and compiling takes {COMPILING} s or so: nothing compiled is timed")
            continue
        timed = {}
        for name in names:
            label = f"{name}{', compiled' if compiled else ''}, {dtype}, {device}"
            try:
                way = replace(case, dtype=dtype, compiled=compiled)
                timed[name] = _timed(setup(name, way), way.rows, repeats=2 if small else 10)
            except Exception as error:
                say(f"{label}: {type(error).__name__}: {str(error)[:500]}")
                row(f"{label}: did not run", 1, 0)
                continue
            for what, seconds, count in zip(STEPS, timed[name], flops, strict=True):
                row(f"{what}, {label}", 1e3 * seconds, None, "ms")
                if dtype == "bfloat16" and peak:
                    row(f"{what}, {label}, of the measured peak", 100 * count / seconds / peak, None, "%")
                    _of_published(what, label, count / seconds)
        if len(timed) == 2:
            for what, ours, other in zip(STEPS, *timed.values(), strict=True):
                row(f"{what}, {framework} / {peer}{', compiled' if compiled else ''}, {dtype}", ours / other)


def _of_published(what: str, label: str, flops: float) -> None:
    import torch

    known = published(torch.cuda.get_device_name()) if torch.cuda.is_available() else None
    if known:
        row(f"{what}, {label}, of the published peak", 100 * flops / known, None, "%")


def _timed(steps: Steps, rows: int, repeats: int) -> tuple[float, float]:
    """Seconds of a training step and a forward pass, medians after two that warm up; each waits for its result."""
    found = []
    for run in (steps.train, steps.forward(rows)):
        times = []
        for _ in range(2 + repeats):
            start = time.perf_counter()
            run()
            times.append(time.perf_counter() - start)
        found.append(statistics.median(times[2:]))
    return found[0], found[1]


if __name__ == "__main__":
    main()
