"""``training.py FRAMEWORK DEVICE [--small]``: ``zoo train`` of bert_tiny, begun on the device, resumed on the CPU and
back, against a run on the CPU alone; and the memory that it logs."""

from __future__ import annotations

import re
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from device_parts.place import place
from device_parts.rows import row, say
from zoo_common.training.warm_start import read_weights
from zoo_spec import load_spec

NEAR = 0.02
"""How far the weights may be apart, of how far training moved them: float32 rounds otherwise on each device, and
AdamW makes steps of one size of gradients that are nearly zero."""


def main() -> None:
    framework, asked, *small = sys.argv[1:]
    device = place(framework, asked)
    steps = 4 if small else 20
    settings = [
        "training.random=portable",
        f"training.batch_size={2 if small else 16}",
        "data.kind=generated",
    ]
    with tempfile.TemporaryDirectory(prefix="zoo-device-run-") as folder:
        alone, both = Path(folder, "cpu"), Path(folder, "both")
        _train(framework, "cpu", alone, settings, steps)
        for where, until in ((device, steps // 2), ("cpu", 3 * steps // 4), (device, steps)):
            _train(framework, where, both, settings, until)
        _compare(framework, device, settings, alone, both)
        _memory(framework, device, both)


def _train(framework: str, device: str, run_dir: Path, settings: list[str], until: int) -> None:
    """Go on up to a step, as ``zoo train`` does; ``steps`` is one of the things that may change."""
    given = [*settings, f"training.steps={until}"]
    command = [
        "train",
        "--framework",
        framework,
        "--spec",
        "bert_tiny",
        "--device",
        device,
        "--run-dir",
        str(run_dir),
    ]
    command += ["--accept", "training", *(part for value in given for part in ("--set", value))]
    code = "import sys; from zoo_common.cli.main import main; sys.argv[0] = 'zoo'; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, *command], capture_output=True, text=True, encoding="utf-8"
    )
    if done.returncode:
        raise SystemExit(
            f"zoo {' '.join(command)} ended with status {done.returncode}:\n{done.stderr[-2000:]}"
        )
    say(f"{framework} on {device} up to step {until}: {(done.stdout.strip().splitlines() or [''])[-1]}")


def _compare(framework: str, device: str, settings: list[str], alone: Path, both: Path) -> None:
    spec = load_spec("bert_tiny", overrides=settings)
    start = {
        name: parameter.initializer.draw(spec.training.seed, name, parameter.shape)
        for name, parameter in spec.graph().parameters().items()
    }
    expected, found = read_weights(alone), read_weights(both)
    apart = np.sqrt(sum(float(np.square(found[name] - value).sum()) for name, value in expected.items()))
    moved = np.sqrt(sum(float(np.square(start[name] - value).sum()) for name, value in expected.items()))
    row(f"zoo train, {framework}, {device} to cpu to {device}, against cpu alone", apart / moved, NEAR)


def _memory(framework: str, device: str, run_dir: Path) -> None:
    resident, held = (_events(run_dir, f"memory/{what}") for what in ("resident_bytes", "device_bytes"))
    row(f"memory/resident_bytes, {framework}", max(resident) / 2**30, None, "GiB")
    if device == "cpu":
        row(f"memory/device_bytes events, {framework} on the CPU, which has none", len(held), 0)
    else:
        row(f"memory/device_bytes, {framework}", max(held, default=0) / 2**20, 1, "MiB", at_least=True)


def _events(run_dir: Path, tag: str) -> list[float]:
    """The values of a tag: in TensorBoard's files it stands before field 2, a float."""
    pattern = re.compile(re.escape(tag.encode()) + rb"\x15(.{4})", re.DOTALL)
    files = sorted((run_dir / "events" / "train").iterdir())
    return [struct.unpack("<f", found)[0] for path in files for found in pattern.findall(path.read_bytes())]


if __name__ == "__main__":
    main()
