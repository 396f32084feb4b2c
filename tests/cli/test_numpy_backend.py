"""A third framework, installed as a package of its own, does what the two do through the same entry points."""

from __future__ import annotations

import json

import numpy as np
import pytest

from installing import ROOT, ZOO, install, python, said

SGD = "training.optimizer={kind: sgd, learning_rate: 0.2, momentum: 0.9}"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    return install(ROOT / "tests" / "support" / "third_backend", tmp_path_factory.mktemp("numpy"))


def test_it_trains_resumes_evaluates_and_predicts_without_another_framework(site, tmp_path):
    run, image = tmp_path / "run", tmp_path / "two.npy"
    np.save(image, np.zeros((2, 28, 28), np.uint8))
    code = f"""{ZOO}
run, image, optimizer = sys.argv[1:]
for steps in ("20", "40"):
    options = ("--set", "training.steps=" + steps, "--set", optimizer, "--run-dir", run)
    zoo("train", "--framework", "numpy", "--spec", "mnist_fc", *options)
zoo("eval", "--framework", "numpy", "--run-dir", run, "--at-least", "accuracy=0.85")
zoo("predict", "--framework", "numpy", "--run-dir", run, image)
assert not imported("torch", "tensorflow", "keras")
"""
    answers = [json.loads(line) for line in said(site, code, str(run), str(image), SGD).splitlines()[-2:]]
    assert [sum(answer["probabilities"]) for answer in answers] == pytest.approx([1, 1], abs=1e-5)
    lines = (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    steps = [record["step"] for record in map(json.loads, lines) if record["split"] == "train"]
    assert steps == sorted(set(steps))
    assert steps[-1] == 40
    assert (
        sorted(each.name for each in (run / "checkpoints").iterdir() if each.is_dir())[-1] == "step-00000040"
    )


def test_it_agrees_with_torch_from_parameters_to_checkpoints(site):
    pair = ("--framework", "numpy", "--framework", "torch")
    command = ("parity", *pair, "--spec", "mnist_fc", "--small", "--steps", "6", "--set", SGD, "--json")
    found = python(site, "-m", "zoo_common.cli.main", *command, loaded="torch")
    assert found.returncode == 0, found.stderr
    report = json.loads(found.stdout)
    assert report["passed"]
    assert report["levels"][-1]["level"] == "checkpoint"


LACKING = {
    "a method": ("Mine.versions", "versions = None"),
    "one of what it gives": (
        "Forgetful.export_state",
        "def for_training(self, *given, **named) -> Forgetful: return Forgetful(*given, **named)",
    ),
}


@pytest.mark.parametrize("what", LACKING)
def test_one_that_lacks_a_method_is_refused_by_the_method_s_name(site, tmp_path, what):
    named, body = LACKING[what]
    (tmp_path / "lacking.py").write_text(
        "from zoo_numpy.backend import NumpyBackend\nfrom zoo_numpy.training import Learning\n"
        "class Forgetful(Learning):\n    export_state = None\n"
        f"class Mine(NumpyBackend):\n    {body}\n"
    )
    about = tmp_path / "lacking-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: lacking\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[zoo.backends]\nmine = lacking:Mine\n")
    run = tmp_path / "run"
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from zoo_common.cli.main import main; main()"
    found = python(
        site, "-c", code, "train", "--framework", "mine", "--spec", "mnist_fc", "--run-dir", str(run)
    )
    assert (found.returncode, found.stdout) == (3, ""), found
    (line,) = found.stderr.splitlines()
    assert line.startswith(f"the framework mine (lacking:Mine) lacks {named}; ")
    assert not run.exists()


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (
            "bert_tiny",
            "block 'embeddings' has no numpy half; a plugin registers one by the entry-point group",
        ),
        ("mnist_fc", "the NumPy backend has the optimizer sgd, not adamw"),
    ],
)
def test_what_it_has_not_is_one_line_and_leaves_nothing(site, tmp_path, spec, said):
    run = tmp_path / "run"
    command = ("train", "--framework", "numpy", "--spec", spec, "--run-dir", str(run))
    found = python(site, "-m", "zoo_common.cli.main", *command)
    assert (found.returncode, found.stdout) == (3, ""), found
    assert found.stderr.splitlines()[-1].startswith(said)
    assert "Traceback" not in found.stderr
    assert not run.exists()


def test_the_list_says_what_it_computes_which_is_what_it_has_halves_of(site):
    code = f"""{ZOO}
zoo("list", "--json")
from zoo_numpy.blocks import run
from zoo_spec.frameworks import framework
print(sorted(cls.model_fields["kind"].default for cls in run.registry if cls is not object))
print(sorted(framework("numpy").blocks))
"""
    *listed, registered, told = said(site, code).splitlines()
    specs = json.loads("\n".join(listed))["specs"]
    assert {row["name"] for row in specs if "numpy" in row["frameworks"]} == {"mnist_fc", "mnist_fc_deep"}
    assert all({"tf", "torch"} <= set(row["frameworks"]) for row in specs)
    # A head's dropout of rate 0 does nothing.
    assert sorted([*json.loads(registered.replace("'", '"')), "dropout"]) == json.loads(
        told.replace("'", '"')
    )
