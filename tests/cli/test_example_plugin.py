"""The example of a plugin, installed as a user would install it: its kinds are found, and both halves agree."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "zoo_plugin_excitation"
SPEC = str(EXAMPLE / "excited_digits.yaml")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder that pip has installed the example into, from a copy: a build leaves files beside its source."""
    folder = tmp_path_factory.mktemp("example")
    shutil.copytree(EXAMPLE, folder / "source")
    options = ("--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--target", str(folder / "site"))
    command = [sys.executable, "-m", "pip", "install", *options, str(folder / "source")]
    found = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert found.returncode == 0, found.stderr
    return folder / "site"


def python(site: Path, code: str, *arguments: str) -> str:
    """What the code prints in a process of its own, where the example is installed."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(site), str(ROOT / "src")])}
    command = [sys.executable, "-c", code, *arguments]
    found = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert found.returncode == 0, found.stderr
    return found.stdout


ZOO = """
import sys
from zoo_common.cli.main import main

def zoo(*arguments):
    try:
        main(list(arguments))
    except SystemExit as done:
        assert not done.code, (arguments, done.code)

def imported(*names):
    return [name for name in names if name in sys.modules]
"""


def test_its_kinds_are_found_without_a_framework(site):
    code = f"""{ZOO}
zoo("validate", "--spec", sys.argv[1])
assert not imported("torch", "tensorflow", "keras", "zoo_excitation.native_torch", "zoo_excitation.native_tf")
zoo("describe", "--spec", sys.argv[1], "--json", "--no-data")
assert not imported("torch", "tensorflow", "keras")
"""
    said = python(site, code, SPEC)
    found = json.loads(said[said.index("{\n") :])
    blocks = {block["name"]: block for block in found["blocks"]}
    assert blocks["excitation_1"]["kind"] == "squeeze_excitation"
    # Two dense layers, 32 to 8 channels and back.
    assert (
        found["parameters"]
        == 160 + (16 * 4 + 4) + (4 * 16 + 16) + 4640 + (32 * 8 + 8) + (8 * 32 + 32) + 15690
    )


def test_a_run_that_one_half_begins_the_other_goes_on_with(site, tmp_path):
    steps = f"""{ZOO}
framework, other, spec, run, number = sys.argv[1:]
zoo("train", "--framework", framework, "--spec", spec, "--run-dir", run, "--set", "training.steps=" + number)
there, absent = ("torch", "tensorflow") if framework == "torch" else ("tensorflow", "torch")
assert imported(there, "zoo_excitation.native_" + framework) == [there, "zoo_excitation.native_" + framework]
assert not imported(absent, "zoo_excitation.native_" + other)
"""
    run = tmp_path / "run"
    python(site, steps, "torch", "tf", SPEC, str(run), "2")
    assert "step 3" in python(site, steps, "tf", "torch", SPEC, str(run), "3")
    records = [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    losses = [record["loss"] for record in records if record["split"] == "train"]
    assert len(losses) >= 2
    assert all(0 < loss < 10 for loss in losses)


def test_both_halves_agree_are_what_the_paper_says_and_keras_reads_them_back(site, tmp_path):
    code = f"""{ZOO}
zoo("parity", "--spec", sys.argv[1], "--small", "--level", "gradient", "--set", "training.precision=bfloat16")

import numpy as np, keras, torch, zoo_tf, zoo_torch
from zoo_spec import load_spec

spec = load_spec(sys.argv[1])
model = zoo_torch.compile(spec, dtype="float64")
seen = {{}}
model.excitation_1.register_forward_hook(lambda block, given, gave: seen.update(x=given[0], y=gave))
with torch.no_grad():
    for value in model.parameters():
        value.normal_()
    model(image=torch.rand(3, 28, 28, 1, dtype=torch.float64))
w = {{name.removeprefix("excitation_1."): value for name, value in zoo_torch.get_weights(model).items()}}
x = seen["x"].numpy()
squeezed = x.mean((1, 2))
inner = np.maximum(squeezed @ w["reduce.weight"].T + w["reduce.bias"], 0)
gate = 1 / (1 + np.exp(-(inner @ w["expand.weight"].T + w["expand.bias"])))
np.testing.assert_allclose(seen["y"].numpy(), x * gate[:, None, None, :], rtol=1e-12)

zoo_tf.compile(spec).save(sys.argv[2])
"""
    said = python(site, code, SPEC, str(tmp_path / "model.keras"))
    assert "passed: both frameworks agree" in said
    # In a fresh process, which has imported nothing of the plugin by name.
    code = "import sys, zoo_tf, keras; print(keras.models.load_model(sys.argv[1]).count_params())"
    assert python(site, code, str(tmp_path / "model.keras")).split()[-1] == "21190"
