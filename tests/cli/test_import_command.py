"""``zoo import``: what it makes is a run, on which every other command works in either framework."""

from __future__ import annotations

import json

import ml_dtypes
import numpy as np
import pytest
from typer.testing import CliRunner

from hub_folders import bert, hub_folder, write_tensors
from zoo_common.cli.main import application

TEXT = "paris is a b c d. paris is of paris.\n\n"


def zoo(*arguments, status=0):
    result = CliRunner().invoke(application(), [str(each) for each in arguments])
    assert result.exit_code == status, result.output + str(result.exception)
    return result


@pytest.fixture(scope="module")
def half(tmp_path_factory):
    """A run at step 0 of a folder in bfloat16, and elsewhere than where it was made."""
    folder = tmp_path_factory.mktemp("import")
    tensors = hub_folder(folder / "hub", bert())
    narrow = {name: array.astype(ml_dtypes.bfloat16) for name, array in tensors.items()}
    write_tensors(folder / "hub" / "model.safetensors", narrow)
    zoo("import", folder / "hub", "--output", folder / "made", "--name", "half")
    (folder / "made").rename(folder / "run")
    return folder / "run"


def test_the_report_says_of_every_tensor_what_became_of_it(tmp_path):
    hub_folder(tmp_path / "hub", bert("masked_lm_next_sentence"))
    result = zoo(
        "import", tmp_path / "hub", "--output", tmp_path / "run", "--task", "sequence_classification"
    )
    for line in (
        "taken  encoder.layers.0…1.attention.query.weight",
        "new    classifier.dense.weight",
        "left   cls.seq_relationship.weight",
        "--trained-as authors",
        f"run    {tmp_path / 'run'}",
    ):
        assert line in result.stdout, line
    said = json.loads(zoo("import", tmp_path / "hub", "--output", tmp_path / "json", "--json").stdout)
    assert (said["model"], said["task"], said["new"]) == ("bert", "masked_lm_next_sentence", [])
    assert {"name": "embeddings.token.weight", "shape": [64, 12], "note": ""} in said["taken"]


def test_both_frameworks_answer_with_half_width_weights_alike(half):
    answers = {}
    for framework in ("torch", "tf"):
        found = zoo("predict", "--framework", framework, "--run-dir", half, "paris [MASK] of paris").stdout
        answers[framework] = json.loads(found)["masks"][0]
    assert [each["word"] for each in answers["torch"]] == [each["word"] for each in answers["tf"]]
    for one, other in zip(answers["torch"], answers["tf"], strict=True):
        assert one["probability"] == pytest.approx(other["probability"], rel=1e-5)


def test_a_run_at_step_0_is_described_and_exported(half, tmp_path):
    assert json.loads(zoo("describe", "--spec", half / "spec.yaml", "--json").stdout)["name"] == "half"
    zoo("export", "--framework", "torch", "--run-dir", half, "--output", tmp_path / "program")
    assert (tmp_path / "program" / "tokenizer.json").exists()


def test_parity_draws_inputs_for_an_import_whose_task_needs_labels_until_it_is_trained(tmp_path):
    hub_folder(tmp_path / "hub", bert("sequence_classification", "task.classes=3"))
    run = tmp_path / "run"
    zoo("import", tmp_path / "hub", "--output", run)
    judged = zoo("parity", "--run-dir", run, "--level", "forward")
    assert "drawn inputs, examples 0 to" in judged.output
    assert "which sequence_classification does not learn from" in " ".join(judged.output.split())
    record = json.loads((run / "versions.json").read_text())
    record["origin"]["began_with"] = None  # As of a run that began with nothing.
    (run / "versions.json").write_text(json.dumps(record))
    refused = zoo("parity", "--run-dir", run, "--level", "forward", status=2)
    assert "which sequence_classification does not learn from" in " ".join(refused.output.split())


def test_training_begins_with_the_imported_weights_however_it_is_told_to(half, tmp_path):
    (tmp_path / "text.txt").write_text(TEXT * 40)
    said = [f"data.files=[{tmp_path / 'text.txt'}]", "data.sequence_length=12", "training.batch_size=2",
            "training.steps=2", "training.optimizer.learning_rate=1e-12", "training.save_every=1"]  # fmt: skip
    options = [part for each in said for part in ("--set", each)]
    before = json.loads(zoo("predict", "--framework", "torch", "--run-dir", half, "a [MASK]").stdout)
    zoo("train", "--framework", "torch", "--spec", half / "spec.yaml", "--run-dir", half, *options)
    after = json.loads(zoo("predict", "--framework", "tf", "--run-dir", half, "a [MASK]").stdout)
    for one, other in zip(before["masks"][0], after["masks"][0], strict=True):
        assert one["probability"] == pytest.approx(other["probability"], rel=1e-4)
    assert np.isfinite(
        json.loads(zoo("eval", "--framework", "torch", "--run-dir", half, "--json").stdout)["loss"]
    )
    # From the first step on it is a run like any other.
    refused = zoo(
        "train", "--framework", "torch", "--spec", half / "spec.yaml", "--run-dir", half, *options,
        "--set", "data.sequence_length=10", status=2,
    )  # fmt: skip
    assert "data.sequence_length" in refused.output


def test_a_model_of_other_sizes_cannot_go_on_with_an_import(tmp_path):
    hub_folder(tmp_path / "hub", bert())
    zoo("import", tmp_path / "hub", "--output", tmp_path / "run")
    refused = zoo(
        "train", "--framework", "torch", "--spec", tmp_path / "run" / "spec.yaml", "--run-dir", tmp_path / "run",
        "--set", "model.num_layers=1", status=2,
    )  # fmt: skip
    assert "model.num_layers" in refused.output


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--trained-as", "me"], "give authors, or leave it out"),
        (["--format", "parquet"], "is none of"),
        (["--task", "segmentation"], "segmentation needs"),
    ],
)
def test_wrong_options_are_refused(options, message, tmp_path):
    hub_folder(tmp_path / "hub", bert())
    result = zoo("import", tmp_path / "hub", "--output", tmp_path / "run", *options, status=2)
    assert message in result.output
    assert not (tmp_path / "run").exists()
