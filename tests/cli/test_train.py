"""``zoo train``, ``zoo eval`` and ``zoo parity`` as a shell sees them: what is printed where, and the exit status."""

from __future__ import annotations

import json
import shutil
import struct
from xml.etree import ElementTree

import numpy as np
import pytest
from typer.testing import CliRunner

from zoo_common.cli.main import application
from zoo_common.training.run_directory import read_metrics

FEW = ("--set", "training.steps=3", "--set", "training.batch_size=8", "--device", "cpu")


def run(*arguments):
    return CliRunner().invoke(application(), [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    directory = tmp_path_factory.mktemp("runs") / "mnist"
    found = run("train", "--framework", "torch", "--spec", "mnist_fc", "--run-dir", directory, *FEW)
    assert found.exit_code == 0, found.output
    return directory, found


def test_training_logs_to_standard_error_and_says_the_result_on_standard_output(trained):
    directory, found = trained
    assert found.stdout.splitlines()[-1] == f"run    {directory}"
    assert "step 3/3" in found.stderr
    assert [row["step"] for row in read_metrics(directory / "metrics.jsonl")] == [1, 2, 3, 3]
    assert "step 3/3" in (directory / "log.txt").read_text(encoding="utf-8")


def test_a_run_of_one_framework_is_evaluated_in_either(trained):
    directory, _ = trained
    ours, theirs = (
        json.loads(run("eval", "--framework", name, "--run-dir", directory, "--json").stdout)
        for name in ("torch", "tf")
    )
    assert ours["loss"] == pytest.approx(theirs["loss"], rel=1e-5)
    assert ours["accuracy"] == pytest.approx(theirs["accuracy"], abs=0.01)


def test_an_evaluation_below_its_threshold_is_status_1(trained):
    directory, _ = trained
    command = ("eval", "--framework", "torch", "--run-dir", directory, "--at-least")
    assert run(*command, "accuracy=0.0").exit_code == 0
    low = run(*command, "accuracy=1.0")
    assert low.exit_code == 1
    assert "below 1.0" in low.stderr
    unknown = run(*command, "acuracy=1.0")
    assert unknown.exit_code == 2
    assert "there are: loss" in unknown.stderr


def test_train_prints_one_json_document(tmp_path):
    arguments = ("--framework", "tf", "--spec", "mnist_fc", "--run-dir", tmp_path / "run", "--json")
    found = run("train", *arguments, *FEW)
    document = json.loads(found.stdout)
    assert document["framework"] == "tf"
    assert document["final"]["train"]["step"] == 3


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (["model.num_layer=3"], "did you mean"),
        (["data.files=[/nowhere/text.txt]"], "/nowhere/text.txt"),
        (["data={kind: images}"], "is labelled images, which masked_lm_next_sentence does not learn from"),
    ],
)
def test_wrong_input_is_status_2_with_one_message_and_nothing_written(overrides, says, tmp_path):
    flags = [part for override in overrides for part in ("--set", override)]
    directory = tmp_path / "run"
    found = run("train", "--framework", "torch", "--spec", "bert_tiny", "--run-dir", directory, *flags)
    assert found.exit_code == 2
    assert says in found.stderr
    assert "Traceback" not in found.output
    assert not directory.exists()


def test_bad_evaluation_data_is_told_before_the_first_step(tmp_path):
    def idx(array):
        head = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
        return head + array.astype(np.uint8).tobytes()

    labels = np.arange(20) % 10
    for part, wrong in (("train", 0), ("t10k", 10)):
        (tmp_path / f"{part}-images-idx3-ubyte").write_bytes(idx(np.zeros((20, 8, 8))))
        (tmp_path / f"{part}-labels-idx1-ubyte").write_bytes(idx(labels + wrong))
    flags = ("--set", f"data.directory={tmp_path}", "--run-dir", tmp_path / "run", *FEW)
    found = run("train", "--framework", "torch", "--spec", "mnist_fc", *flags)
    assert found.exit_code == 2
    assert "t10k-labels-idx1-ubyte: image 0: label 10 is out of range" in found.stderr
    assert "step 1/3" not in found.stderr
    assert not (tmp_path / "run").exists()


def test_an_empty_run_directory_path_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = run("train", "--framework", "torch", "--spec", "mnist_fc", "--run-dir", "", *FEW)
    assert found.exit_code == 2
    assert "give a path" in found.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_run_directory_of_another_spec_is_refused_by_field(trained):
    directory, _ = trained
    found = run("train", "--framework", "tf", "--spec", "mnist_fc", "--run-dir", directory)
    assert found.exit_code == 2
    assert "training.batch_size: 8 in the run, 64 now" in found.stderr


@pytest.mark.parametrize(
    ("harm", "name", "command"),
    [
        ("flip", "weights", "eval"),
        ("delete", "weights", "eval"),
        ("delete", "optimizer", "eval"),
        ("flip", "optimizer", "train"),
    ],
)
def test_a_damaged_checkpoint_is_named_and_status_2(harm, name, command, trained, tmp_path):
    shutil.copytree(trained[0], tmp_path / "run")
    file = tmp_path / "run" / "checkpoints" / "step-00000003" / f"{name}.safetensors"
    if harm == "flip":
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 4
        file.write_bytes(content)
    else:
        file.unlink()
    again = ("--spec", "mnist_fc", *FEW) if command == "train" else ()
    found = run(command, "--framework", "torch", "--run-dir", tmp_path / "run", *again)
    assert found.exit_code == 2
    assert f"{name}.safetensors" in found.stderr


def test_a_run_that_cannot_fit_is_status_3_with_the_arithmetic(tmp_path):
    flags = ("--set", "training.batch_size=65536", "--set", "training.micro_batch_size=65536")
    found = run(
        "train", "--framework", "torch", "--spec", "bert_large", "--run-dir", tmp_path / "run", *flags
    )
    assert found.exit_code == 3
    assert "activations" in found.stderr
    assert "micro_batch_size" in found.stderr
    assert not (tmp_path / "run").exists()


def test_an_unknown_framework_is_status_2_and_says_which_there_are(tmp_path):
    found = run("train", "--framework", "jax", "--spec", "mnist_fc", "--run-dir", tmp_path / "run")
    assert found.exit_code == 2
    assert "tf, torch" in found.stderr


def test_parity_prints_its_levels_as_json_and_junit(tmp_path):
    junit = tmp_path / "parity.xml"
    found = run("parity", "--spec", "mnist_fc", "--small", "--steps", 5, "--json", "--junit", junit)
    assert found.exit_code == 0, found.output
    document = json.loads(found.stdout)
    assert (document["spec"], document["passed"]) == ("mnist_fc", True)
    assert {"level", "dtype", "passed", "value", "limit", "worst"} <= set(document["levels"][0])
    assert [row["level"] for row in document["levels"]][-1] == "checkpoint"
    suite = ElementTree.parse(junit).getroot()
    assert (suite.get("failures"), int(suite.get("tests"))) == ("0", len(document["levels"]))


def test_parity_that_fails_is_status_1_and_names_the_block(monkeypatch):
    from zoo_torch.backend import TorchBackend

    original = TorchBackend.for_training

    def for_training(self, *args, **kwargs):
        made = original(self, *args, **kwargs)
        inner = made.model.hidden_1.forward
        made.model.hidden_1.forward = lambda x: inner(x) * 1.01
        return made

    monkeypatch.setattr(TorchBackend, "for_training", for_training)
    found = run("parity", "--spec", "mnist_fc", "--small", "--level", "forward")
    assert found.exit_code == 1
    assert "hidden_1" in found.stdout


def test_an_unknown_parity_level_is_status_2():
    found = run("parity", "--spec", "mnist_fc", "--level", "forwards")
    assert found.exit_code == 2
    assert "parameters, forward, loss" in found.stderr
