"""A large model's own training, streamed: some steps of one row, its memory, and its loss on the first layers."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from measure import Row, in_process

from streaming_parts.watched import Watched, plot, watched
from zoo_common.memory import training_bytes
from zoo_common.training.metrics_file import losses, read_metrics
from zoo_common.units import bytes_text
from zoo_spec import load_spec

LIMIT = 4 << 30
"""Bytes that may be resident."""
FIRST = 2
"""Layers that are trained in memory too."""


def rows(name: str, framework: str, steps: int, picture: Path | None, folder: Path | None) -> list[Row]:
    """Train it streamed, then its first layers both ways."""
    with tempfile.TemporaryDirectory(prefix="zoo-", dir=folder) as place:
        run = _trained(name, framework, steps, Path(place) / "run")
        found = losses(read_metrics(Path(place) / "run" / "metrics.jsonl"))
    print(f"{name}, {framework}: losses {', '.join(f'{found[step]:.6f}' for step in sorted(found))}")
    first = [
        in_process("streaming_parts/first_layers.py", framework, name, str(FIRST), str(steps), way)
        for way in ("resident", "weight_streaming")
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


def _trained(name: str, framework: str, steps: int, run_dir: Path) -> Watched:
    settings = [
        "training.execution=weight_streaming", f"training.memory_limit={LIMIT}", "training.batch_size=1",
        "training.micro_batch_size=1", f"training.steps={steps}", f"training.save_every={steps}",
        "training.log_every=1", "training.schedule=constant",
    ]  # fmt: skip
    command = [
        sys.executable, "-m", "zoo_common.cli.main", "train", "--framework", framework, "--spec", name,
        "--run-dir", str(run_dir), "--device", "cpu", *(part for each in settings for part in ("--set", each)),
    ]  # fmt: skip
    return watched(command, lambda: _steps(run_dir / "metrics.jsonl"))


def _steps(path: Path) -> int:
    """How many steps' metrics there are."""
    return path.read_text().count('"split": "train"') if path.exists() else 0
