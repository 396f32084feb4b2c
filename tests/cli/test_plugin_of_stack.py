"""A plugin's own stack, of blocks that are no transformer layers, streams its weights with no code for it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import launch
from zoo_common.checkpoint import CheckpointStore

PLUGIN = Path(__file__).parents[1] / "support" / "plugin_of_stack"
SPEC = """
model:
  kind: graph
  inputs: {image: {shape: [batch, 4, 4, 1]}}
  nodes:
    flat: {block: {kind: flatten}, inputs: image}
    stack: {block: {kind: residual_stack, num_layers: 3, layer: {size: 12, dropout: 0.1}}, inputs: flat}
  outputs: {features: stack}
task: {kind: image_classification, classes: 4}
data: {kind: generated, samples: 12}
training: {steps: 3, batch_size: 6, random: portable, precision: float64, optimizer: {kind: adamw}}
"""
RUN = """
import sys
from zoo_common.cli.main import main
from zoo_spec import load_spec
from zoo_spec.graph import units

graph = load_spec("own.yaml").graph()
assert [unit.path for unit in units(graph).streamed] == [f"stack.layers.{index}" for index in range(3)]
for execution in ("resident", "weight_streaming"):
    options = ("--framework", sys.argv[1], "--spec", "own.yaml", "--device", "cpu")
    try:
        main(["train", *options, "--run-dir", execution, "--set", f"training.execution={execution}"])
    except SystemExit as done:
        assert not done.code, done.code
"""


def state(run: Path) -> dict[str, np.ndarray]:
    found = CheckpointStore(run / "checkpoints").latest()
    return {name: np.array(part[name]) for part in (found.weights(), found.optimizer()) for name in part}


@pytest.mark.parametrize("framework", ["torch", "tf"])
def test_it_learns_from_files_what_it_learns_in_memory(tmp_path, framework):
    (tmp_path / "own.yaml").write_text(SPEC)
    done = launch.python("-c", RUN, framework, path=[PLUGIN], cwd=tmp_path, loaded=framework)
    assert done.returncode == 0, done.stderr
    resident, streamed = state(tmp_path / "resident"), state(tmp_path / "weight_streaming")
    assert resident.keys() == streamed.keys()
    for name, value in resident.items():
        np.testing.assert_allclose(streamed[name], value, rtol=0, atol=0 if framework == "torch" else 1e-13)
