"""The example of a plugin, installed as a user would install it: its kinds are found, and both halves agree."""

from __future__ import annotations

import json

import numpy as np
import pytest

from installing import ROOT, ZOO, install, python, said

EXAMPLE = ROOT / "examples" / "zoo_plugin_excitation"
SPEC = str(EXAMPLE / "excited_digits.yaml")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    return install(EXAMPLE, tmp_path_factory.mktemp("example"))


def test_its_kinds_are_found_without_a_framework(site):
    code = f"""{ZOO}
zoo("validate", "--spec", sys.argv[1])
assert not imported("torch", "tensorflow", "keras", "zoo_excitation.native_torch", "zoo_excitation.native_tf")
zoo("describe", "--spec", sys.argv[1], "--json", "--no-data")
assert not imported("torch", "tensorflow", "keras")
"""
    text = said(site, code, SPEC)
    found = json.loads(text[text.index("{\n") :])
    blocks = {block["name"]: block for block in found["blocks"]}
    assert blocks["excitation_1"]["kind"] == "squeeze_excitation"
    # Two dense layers, 32 to 8 channels and back.
    assert (
        found["parameters"]
        == 160 + (16 * 4 + 4) + (4 * 16 + 16) + 4640 + (32 * 8 + 8) + (8 * 32 + 32) + 15690
    )


def archive(path, *, size=28, label=9):
    rng = np.random.default_rng(0)
    labels = np.append(rng.integers(0, 10, 23), label)
    np.savez(path, images=rng.integers(0, 256, (24, size, size, 1), dtype=np.uint8), labels=labels)
    return path


def data(train, evaluation):
    return f"data={{kind: image_archive, train: {train}, evaluation: {evaluation}}}"


def test_data_that_will_not_do_is_one_line(site, tmp_path):
    good, small = archive(tmp_path / "good.npz"), archive(tmp_path / "small.npz", size=5)
    wrong = archive(tmp_path / "wrong.npz", label=10)
    for given, why in (
        (small, "images are uint8 [24, 5, 5, 1], and the model reads uint8 [count, 28, 28, 1]"),
        (wrong, "label 10 of example 23 is out of range"),
        (tmp_path / "none.npz", "there is no such file"),
    ):
        found = python(
            site, "-m", "zoo_common.cli.main", "validate", "--spec", SPEC, "--set", data(given, good)
        )
        assert found.returncode == 2
        (line,) = found.stderr.splitlines()
        assert f"{given}: " in line
        assert why in line


def again(run, given, steps):
    settings = (f"training.steps={steps}", "training.batch_size=8", given)
    return ("--spec", SPEC, "--run-dir", str(run), *(part for each in settings for part in ("--set", each)))


def test_a_run_that_one_half_begins_the_other_goes_on_with_and_knows_its_data_again(site, tmp_path):
    steps = f"""{ZOO}
framework, other, *options = sys.argv[1:]
zoo("train", "--framework", framework, *options)
there, absent = ("torch", "tensorflow") if framework == "torch" else ("tensorflow", "torch")
assert imported(there, "zoo_excitation.native_" + framework) == [there, "zoo_excitation.native_" + framework]
assert not imported(absent, "zoo_excitation.native_" + other)
"""
    run, given = tmp_path / "run", data(archive(tmp_path / "a.npz"), archive(tmp_path / "b.npz"))
    said(site, steps, "torch", "tf", *again(run, given, "2"), loaded="torch")
    assert "step 3" in said(site, steps, "tf", "torch", *again(run, given, "3"), loaded="tf")
    records = [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    losses = [record["loss"] for record in records if record["split"] == "train"]
    assert len(losses) >= 2
    assert all(0 < loss < 10 for loss in losses)
    archive(tmp_path / "a.npz", label=8)
    command = ("train", "--framework", "torch", *again(run, given, "4"))
    found = python(site, "-m", "zoo_common.cli.main", *command, loaded="torch")
    assert found.returncode == 2
    assert "data.train" in found.stderr


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
    text = said(site, code, SPEC, str(tmp_path / "model.keras"), loaded="torch")
    assert "passed: both frameworks agree" in text
    # In a fresh process, which has imported nothing of the plugin by name.
    code = "import sys, zoo_tf, keras; print(keras.models.load_model(sys.argv[1]).count_params())"
    assert said(site, code, str(tmp_path / "model.keras"), loaded="tf").split()[-1] == "21190"
