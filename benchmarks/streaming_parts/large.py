"""A large model's own training, streamed: some steps of one row, its memory, and its loss on the first layers."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from measure import ROOT, Row, in_process

from streaming_parts.watched import plot, watched
from zoo_common.memory import training_bytes
from zoo_common.training.metrics_file import losses, read_metrics
from zoo_common.units import bytes_text
from zoo_spec import load_spec

LIMIT = 4 << 30
"""Bytes that may be resident."""
FIRST = 2
"""Layers that are trained in memory too."""
FEW = (f"model.num_layers={FIRST}",)
STREAMED = ("training.execution=weight_streaming", f"training.memory_limit={LIMIT}")
OWN_RUN = "streaming_parts/own_run.py"


def rows(name: str, framework: str, steps: int, picture: Path | None, folder: Path | None) -> list[Row]:
    """Train it streamed, then its first layers both ways."""
    with tempfile.TemporaryDirectory(prefix="zoo-", dir=folder) as place:
        run_dir = Path(place) / "run"
        run = watched(
            [sys.executable, str(ROOT / OWN_RUN), framework, name, str(steps), str(run_dir), *STREAMED],
            lambda: _steps(run_dir / "metrics.jsonl"),
        )
        found = losses(read_metrics(run_dir / "metrics.jsonl"))
        print(f"{name}, {framework}: losses {', '.join(f'{found[step]:.6f}' for step in sorted(found))}")
        shutil.rmtree(run_dir)
        first = [
            in_process(OWN_RUN, framework, name, str(steps), str(Path(place) / way), *FEW, *settings)
            for way, settings in (("resident", ("training.recompute=true",)), ("streamed", STREAMED))
        ]
    apart = max(abs(a - b) for a, b in zip(first[0]["losses"], first[1]["losses"], strict=True))
    if picture is not None:
        spec = load_spec(name, ["training.batch_size=1", "training.micro_batch_size=1"])
        in_memory = sum(training_bytes(spec, spec.graph(), framework).values())
        plot(picture, f"{name} in {framework}, {steps} steps of one row", run, LIMIT, in_memory)
        print(f"drawn in {picture}")
    print(f"{name}, {framework}: at most {bytes_text(run.peak)} resident, {run.samples[-1][0]:.0f} s in all")
    return [
        Row(f"{name}, {framework}: peak of {steps} steps", run.peak / 2**30, LIMIT / 2**30, "GiB"),
        Row(f"{name}, {framework}: loss of its first {FIRST} layers, off resident", apart, 0.0),
    ]


def _steps(path: Path) -> int:
    """How many steps' metrics there are."""
    return path.read_text().count('"split": "train"') if path.exists() else 0
