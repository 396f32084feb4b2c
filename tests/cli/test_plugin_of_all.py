"""A plugin's data, metric, prediction, optimizer, schedule and initializer work in every command, as ours do."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import launch
from zoo_common.checkpoint import CheckpointStore

PLUGIN = Path(__file__).parents[1] / "support" / "plugin_of_all"
SPEC = """
model:
  kind: mlp
  image_size: [2, 3]
  hidden_sizes: [5]
  activation: tanh
  initializer: {kind: checkerboard, value: 0.5}
task: {kind: dots_classification, classes: 4}
data: {file: dots.txt}
training:
  steps: 6
  batch_size: 4
  optimizer: {kind: sign_sgd, learning_rate: 0.01}
  schedule: {kind: staircase, every: 2}
"""
RUN = """
import sys
from zoo_common.cli.main import main

for line in sys.argv[1:]:
    try:
        main(line.split("|"))
    except SystemExit as done:
        assert not done.code, (line, done.code)
    print("----")
"""


def ran(folder: Path, *commands: str, loaded: str) -> list[str]:
    """What each command prints, in one process, where the plugin is installed."""
    found = launch.python("-c", RUN, *commands, path=[PLUGIN], cwd=folder, loaded=loaded)
    assert found.returncode == 0, found.stderr
    return found.stdout.split("----\n")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A spec of the plugin's kinds, and its data."""
    folder = tmp_path_factory.mktemp("dots")
    rng = np.random.default_rng(0)
    rows = np.column_stack([rng.integers(0, 4, 36), rng.standard_normal((36, 6)).round(3)])
    np.savetxt(folder / "dots.txt", rows, fmt="%.3f")
    (folder / "dots.yaml").write_text(SPEC)
    return folder


def logits(weights, pixels):
    hidden = np.tanh(pixels @ weights["hidden_0.weight"].T + weights["hidden_0.bias"])
    return hidden @ weights["classifier.dense.weight"].T + weights["classifier.dense.bias"]


def weights_of(run: Path):
    found = CheckpointStore(run / "checkpoints").latest()
    return {name: np.array(value, np.float64) for name, value in found.weights().items()}


@pytest.fixture(scope="module", params=["torch", "tf"])
def run(folder, request):
    """A trained run, one of a single step, and what each command printed."""
    run, lines = folder / request.param, folder / "lines.txt"
    lines.write_text("".join(" ".join(map(str, row[1:])) + "\n" for row in held_out(folder)))
    train = f"train|--spec|dots.yaml|--framework|{request.param}|--run-dir"
    which = f"--framework|{request.param}|--run-dir|{run}"
    told = ran(
        folder,
        "validate|--spec|dots.yaml",
        f"{train}|{run}",
        f"eval|{which}|--json",
        f"predict|{which}|--input|{lines}",
        f"{train}|{run}-1|--set|training.steps=1",
        loaded=request.param,
    )
    return run, told


def held_out(folder):
    return np.loadtxt(folder / "dots.txt")[2::3]


def test_its_data_metric_and_prediction_answer_in_every_command(folder, run):
    where, (valid, _, evaluated, predicted, *_) = run
    assert "sign_sgd at rate 0.01, staircase schedule" in valid
    held = held_out(folder)
    said = logits(weights_of(where), held[:, 1:])
    hits = (np.argsort(said)[:, -2:] == held[:, :1]).any(axis=1)
    assert json.loads(evaluated)["top_two"] == pytest.approx(hits.mean())
    answers = [json.loads(line)["dots"] for line in predicted.splitlines()]
    assert answers == said.argmax(axis=1).tolist()


def test_its_initializer_optimizer_and_schedule_train(run):
    where, _ = run
    logged = [json.loads(line) for line in (where / "metrics.jsonl").read_text().splitlines()]
    rates = [row["learning_rate"] for row in logged if row["split"] == "train"]
    assert rates == pytest.approx([0.01, 0.01, 0.005, 0.005, 0.0025, 0.0025])
    found = weights_of(where.with_name(f"{where.name}-1"))["hidden_0.weight"]
    board = 0.5 * (1 - 2 * (np.indices(found.shape).sum(axis=0) % 2))
    assert np.abs(found - board) == pytest.approx(np.full(found.shape, 0.01), abs=1e-6)
    assert len(np.unique(np.sign(found - board))) == 2
