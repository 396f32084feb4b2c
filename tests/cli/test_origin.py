"""Going on with a run after it diverged, with its weights elsewhere, or with data that it was not trained on."""

from __future__ import annotations

import json
import re
import shutil

import numpy as np
import pytest
from typer.testing import CliRunner

from zoo_common.backend import find_backend
from zoo_common.checkpoint import CheckpointStore
from zoo_common.cli.main import application
from zoo_common.data.makers.image_examples import ImageExamples
from zoo_common.training.origin import Origin
from zoo_common.training.run_directory import read_metrics
from zoo_common.training.spec_run import spec_run
from zoo_spec import load_spec
from zoo_spec.errors import InputError

SMALL = (
    "model.hidden_sizes=[8]",
    "model.image_size=[8, 8]",
    "training.batch_size=8",
    "training.save_every=2",
    "training.schedule={kind: constant}",
    "training.steps=6",
)


@pytest.fixture(params=["torch", "tf"])
def framework(request):
    return request.param


def zoo(*arguments):
    return CliRunner().invoke(application(), [str(argument) for argument in arguments])


def train(framework, directory, *overrides, options=()):
    values = dict(each.split("=", 1) for each in (*SMALL, *overrides))
    flags = [part for path, value in values.items() for part in ("--set", f"{path}={value}")]
    where = ("--framework", framework, "--run-dir", directory, "--device", "cpu")
    return zoo("train", "--spec", "mnist_fc", *where, *flags, *options)


def newest(directory):
    return CheckpointStore(directory / "checkpoints").latest()


def test_after_a_divergence_the_same_command_with_a_lower_rate_goes_on(framework, tmp_path):
    def sgd(rate):
        return f"training.optimizer={{kind: sgd, learning_rate: {rate}}}"

    fine = 0.1
    assert train(framework, tmp_path / "run", sgd(fine), "training.steps=2").exit_code == 0
    refused = train(framework, tmp_path / "run", sgd(1e30))
    assert refused.exit_code == 2
    assert "--accept training" in refused.stderr
    diverged = train(framework, tmp_path / "run", sgd(1e30), options=("--accept", "training"))
    assert diverged.exit_code == 1, diverged.output
    said = diverged.stderr.splitlines()[-1]
    assert f"{tmp_path / 'run'} goes on from its step 2, of loss " in said
    assert "nothing of this was saved" in said
    assert newest(tmp_path / "run").step == 2
    went_on = train(framework, tmp_path / "run", sgd(fine))
    assert went_on.exit_code == 0, went_on.output
    assert (
        "accepted from step 2 on: training.optimizer.learning_rate: 1e+30 in the run, 0.1 now"
        in went_on.stderr
    )

    straight = train(framework, tmp_path / "straight", sgd(fine))
    assert straight.exit_code == 0
    for name, value in newest(tmp_path / "straight").weights().items():
        np.testing.assert_array_equal(newest(tmp_path / "run").weights()[name], value)
    steps = [
        row["step"] for row in read_metrics(tmp_path / "run" / "metrics.jsonl") if row["split"] == "train"
    ]
    assert steps == [1, 2, 3, 4, 5, 6]


def test_weights_that_are_not_finite_are_not_saved(framework, tmp_path):
    """The loss of a step is finite, and what the step makes of the weights is not."""
    huge = "training.optimizer={kind: adamw, learning_rate: 3.3e38, beta_1: 0.0, weight_decay: 1.0}"
    found = train(framework, tmp_path / "run", huge, "training.save_every=1")
    assert found.exit_code == 1
    assert re.search(r"step 1: \S+ holds NaN or infinity after its update", found.stderr)
    assert not (tmp_path / "run").exists()


def test_a_run_begins_with_the_weights_of_another(framework, tmp_path):
    still = "training.optimizer={kind: sgd, learning_rate: 1e-30}"
    assert train(framework, tmp_path / "a").exit_code == 0
    begin = ("--initialize-from", tmp_path / "a" / "checkpoints" / "step-00000004")
    begun = train(framework, tmp_path / "b", still, options=begin)
    assert begun.exit_code == 0, begun.output
    there = CheckpointStore(tmp_path / "a" / "checkpoints").load(4)
    for name, value in newest(tmp_path / "b").weights().items():
        np.testing.assert_array_equal(value, there.weights()[name])
    began = Origin.read(tmp_path / "b").began_with
    assert (began.step, began.sha256) == (4, there.weights_hash)

    shutil.rmtree(tmp_path / "a")  # To go on it needs the source no more.
    again = train(framework, tmp_path / "b", still, "training.steps=7", options=begin)
    assert again.exit_code == 0, again.output
    other = train(
        framework, tmp_path / "b", still, "training.steps=7", options=("--initialize-from", tmp_path / "c")
    )
    assert other.exit_code == 2
    assert "began with the weights of" in other.stderr


@pytest.mark.parametrize("named", ["nowhere", "published", "run/checkpoints/step-00000003"])
def test_weights_that_are_not_there_are_told_before_data_are_read(tmp_path, monkeypatch, named):
    (tmp_path / "published").mkdir()
    (tmp_path / "published/config.json").write_text("{}", encoding="utf-8")
    (tmp_path / "run/checkpoints/step-00000002").mkdir(parents=True)
    monkeypatch.setattr("zoo_common.training.spec_learner.open_dataset", lambda *given: pytest.fail("read"))
    options = ("--initialize-from", str(tmp_path / named))
    found = train("torch", tmp_path / "new", options=options)
    assert found.exit_code == 2
    says = {"nowhere": "give a run's directory", "published": "import it first"}
    assert says.get(named, "no checkpoint of step 3; saved steps: 2") in str(found.output)
    assert not (tmp_path / "new").exists()


@pytest.fixture(scope="module")
def fed(tmp_path_factory):
    """A run on a program's batches of a spec whose own data is scikit-learn's digits."""
    directory = tmp_path_factory.mktemp("fed") / "run"
    spec = load_spec("mnist_fc", [*SMALL])
    run = spec_run(find_backend("torch")(), spec, directory, device="cpu", quiet=True)
    run.train(BATCHES, steps=2)
    with pytest.raises(InputError, match="--accept data"):
        run.evaluate()
    assert run.evaluate(BATCHES)["loss"] > 0
    run.train(BATCHES, steps=2)  # The same user again.
    assert run.step == 4
    return directory


BATCHES = [{"image": np.ones((4, 8, 8, 1), np.float32), "labels": np.zeros(4, np.int32)}]


def test_a_run_on_a_programs_batches_is_not_taken_for_one_on_the_specs_data(fed, framework, tmp_path, caplog):
    for arguments in (
        ("eval", "--framework", framework, "--run-dir", fed),
        ("train", "--framework", framework, "--spec", fed / "spec.yaml", "--run-dir", fed),
        ("parity", "--run-dir", fed),
    ):
        found = zoo(*arguments)
        assert found.exit_code == 2, found.output
        assert "batches of a program (input_fn) in the run, the spec's data now" in found.stderr
        assert "--accept data" in found.stderr
    shutil.copytree(fed, tmp_path / "run")
    options = ("--accept", "data", "--json")
    meant = zoo("eval", "--framework", framework, "--run-dir", tmp_path / "run", *options)
    document = json.loads(meant.stdout)
    assert document["step"] == 4
    assert document["checkpoint"].endswith("step-00000004")
    assert "reads other data than the run did: batches of a program" in caplog.text


def test_what_can_be_accepted_is_told(tmp_path):
    found = train("torch", tmp_path / "run", options=("--accept", "seed"))
    assert found.exit_code == 2
    assert "give one of training, data" in found.stderr


@pytest.mark.parametrize(
    "text", ["oops: [", "a: &x [*x]\n", "\x00", "- 1", "", "kind: own\nkind: own", "{" * 100]
)
@pytest.mark.parametrize("command", ["eval", "train", "export", "predict", "parity"])
def test_a_runs_spec_that_is_none_is_one_line(fed, tmp_path, command, text):
    shutil.copytree(fed, tmp_path / "run")
    (tmp_path / "run" / "spec.yaml").write_text(text)
    where = ("--run-dir", tmp_path / "run", *(() if command == "parity" else ("--framework", "torch")))
    found = zoo(command, *where, *(("--spec", "mnist_fc") if command == "train" else ()))
    assert found.exit_code == 2, found.output
    assert isinstance(found.exception, SystemExit)
    assert str(tmp_path / "run" / "spec.yaml") in found.stderr
    assert len(found.stderr.splitlines()) <= 2


def test_a_run_does_not_go_on_with_what_another_version_makes_of_the_same_files(
    tmp_path, monkeypatch, caplog
):
    assert train("torch", tmp_path / "run", "training.steps=2").exit_code == 0
    assert re.fullmatch("[0-9a-f]{64}", newest(tmp_path / "run").state["data"]["first_batch"])
    made = ImageExamples.example

    def otherwise(self, epoch, index):
        example = made(self, epoch, index)
        return {**example, "labels": (example["labels"] + 1) % 10}

    monkeypatch.setattr(ImageExamples, "example", otherwise)
    found = train("torch", tmp_path / "run")
    assert found.exit_code == 2
    assert "the batch of step 1 was of SHA-256" in found.stderr
    assert "--accept data" in found.stderr
    assert train("torch", tmp_path / "run", options=("--accept", "data")).exit_code == 0
    assert "reads other data than the run did: the batch of step 1" in caplog.text
    assert train("torch", tmp_path / "run", "training.steps=8").exit_code == 0
