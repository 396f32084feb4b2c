"""``zoo validate``: a summary of what is right, everything at once of what is wrong."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from typer.testing import CliRunner

from zoo_common.backend import StepResult, backends
from zoo_common.checkpoint import CheckpointStore
from zoo_common.cli.main import application
from zoo_common.data import Dataset, open_dataset
from zoo_common.data.subwords import tokenizer_files
from zoo_spec import list_specs, load_spec
from zoo_spec.errors import EnvironmentFault


def run(*arguments):
    return CliRunner().invoke(application(), ["validate", *arguments])


@dataclass
class Fake:
    """A backend that notes its one step, and gives the loss it was made with."""

    loss: float = 1.0

    def __call__(self):
        return self

    def versions(self):
        return {"fake": "1.0"}

    def for_training(self, graph, training, weights, *, dtype, device="auto"):
        self.graph, self.dtype, self.device = graph, dtype, device
        return self

    def for_inference(self, graph, weights, *, dtype, device="auto", tf32=False):
        return self.for_training(graph, None, weights, dtype=dtype, device=device)

    def train_step(self, micro_batches, denominators, rate):
        (self.batch,) = micro_batches
        self.denominators = denominators
        return StepResult(self.loss, {}, 1.0)

    def predict_step(self, batch):
        self.batch, self.denominators = batch, {}
        return {"hidden_states": np.zeros(1)}


def fake(monkeypatch, loss=1.0):
    backend = Fake(loss)
    monkeypatch.setattr("zoo_common.rehearsal.find_backend", lambda name: backend)
    return backend


@pytest.mark.parametrize("name", list_specs())
def test_shipped_specs_are_valid(name):
    found = run("--spec", name, "--no-data")  # The rehearsals below open it.
    assert (found.exit_code, found.stderr) == (0, "")
    assert found.stdout.startswith(f"valid: {name}\n")
    assert len(found.stdout.splitlines()) < 24


@cache
def _opened(read: str, name: str, split: str) -> Dataset:
    with TemporaryDirectory() as directory:
        return open_dataset(load_spec(name), Path(directory), split)


def open_once(spec, directory, split):
    """The data of all specs that read the same into the same inputs, opened for the first of them."""
    said, graph = spec.resolved(), spec.graph()
    inputs = {name: str(tensor) for name, tensor in graph.inputs.items()}
    read = [said["data"], said["task"], said["training"]["batch_size"], inputs, graph.bounds]
    known = _names.setdefault(str(read), spec.name)
    return _opened(str(read), known, split)


_names: dict[str, str] = {}


@pytest.mark.parametrize("name", list_specs())
def test_a_rehearsal_runs_one_step_on_generated_input_of_two_examples(name, monkeypatch):
    monkeypatch.setattr("zoo_common.memory.machine.available_bytes", lambda: 10**13)
    monkeypatch.setattr("zoo_common.rehearsal.open_dataset", open_once)
    backend = fake(monkeypatch)
    found = run("--spec", name, "--framework", "fake", "--device", "cpu")
    assert found.exit_code == 0, found.stderr
    assert backend.device == "cpu"
    assert {len(value) for value in backend.batch.values()} == {2}
    assert set(backend.denominators) == {part.name for part in backend.graph.loss_parts}
    assert [line.split(":")[1].strip() for line in found.stderr.splitlines()] == [
        "framework",
        "training data",
        "evaluation data",
        "memory",
        "training step",
    ]


def test_both_parts_of_the_data_have_one_tokenizer(monkeypatch):
    fake(monkeypatch)
    trained, train = [], tokenizer_files._train
    monkeypatch.setattr(tokenizer_files, "_train", lambda *of: trained.append(of) or train(*of))
    assert run("--spec", "bert_tiny", "--framework", "fake", "--device", "cpu").exit_code == 0
    assert len(trained) == 1


def test_everything_that_is_wrong_is_said_at_once(monkeypatch):
    monkeypatch.setattr("zoo_common.memory.machine.available_bytes", lambda: 10**6)
    fake(monkeypatch)
    found = run("--spec", "bert_tiny", "--framework", "fake", "--set", "data.files=not_there.txt")
    assert found.exit_code == 2
    assert found.stdout == ""
    assert "failed: training data: not_there.txt" in found.stderr
    assert "failed: memory: bert_tiny does not fit" in found.stderr
    assert "training step:" not in found.stderr


def test_too_little_memory_is_an_environment_fault(monkeypatch):
    monkeypatch.setattr("zoo_common.memory.machine.available_bytes", lambda: 10**6)
    fake(monkeypatch)
    assert run("--spec", "mnist_fc", "--framework", "fake").exit_code == 3


def test_a_missing_framework_is_an_environment_fault(monkeypatch):
    def missing(name):
        raise EnvironmentFault("PyTorch is not installed; install it with: pip install 'dualzoo[torch]'")

    monkeypatch.setattr("zoo_common.rehearsal.find_backend", missing)
    found = run("--spec", "mnist_fc", "--framework", "torch")
    assert found.exit_code == 3
    assert "failed: framework: PyTorch is not installed" in found.stderr
    assert "ok: training data" in found.stderr


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_fails_the_check(loss, monkeypatch):
    fake(monkeypatch, loss)
    found = run("--spec", "mnist_fc", "--framework", "fake")
    assert found.exit_code == 1
    assert "must be finite" in found.stderr


def test_a_model_without_a_loss_is_rehearsed_by_a_prediction(monkeypatch):
    fake(monkeypatch)
    found = run("--spec", "bert_tiny", "--framework", "fake", "--set", "task.kind=representation")
    assert found.exit_code == 0, found.stderr
    assert "no loss to train; a prediction gave hidden_states" in found.stderr


@pytest.mark.parametrize("name", backends())
def test_each_framework_rehearses_a_small_spec(name):
    found = run("--spec", "mnist_fc_deep", "--framework", name, "--device", "cpu")
    assert found.exit_code == 0, found.stderr
    assert "ok: training step: loss " in found.stderr


def test_a_model_without_weights_has_nothing_to_train(tmp_path, monkeypatch):
    fake(monkeypatch)
    nodes = "{features: {block: relu, inputs: x}}"
    model = f"{{kind: graph, inputs: {{x: {{shape: [batch, 3]}}}}, nodes: {nodes}, outputs: {{features: features}}}}"
    (tmp_path / "my.yaml").write_text(f"model: {model}\ntask: representation\n")
    found = run("--spec", str(tmp_path / "my.yaml"), "--framework", "fake")
    assert found.exit_code == 2
    assert "my has no parameters to train" in found.stderr


def test_an_unknown_framework_is_refused_by_name():
    found = run("--spec", "mnist_fc", "--framework", "no_such_framework")
    assert found.exit_code in (2, 3)
    assert json.dumps("Traceback") not in found.stderr
    assert "failed: framework:" in found.stderr


@pytest.mark.parametrize(
    ("name", "override", "message"),
    [
        (
            "bert_tiny",
            "task.kind=ctc",
            "ctc needs frame_ids, which bert_tiny does not give (its model is bert)",
        ),
        ("unet_tiny", "task.kind=causal_lm", "which unet_tiny does not give (its model is unet)"),
        ("gpt2_tiny", "data.sequence_length=129", "data.sequence_length 129 is above the 128 positions"),
        ("hubert_tiny", "data.waveform_samples=10", "data.waveform_samples 10 is below the 50"),
        ("gptj_tiny", "model.rotary_dims=64", "turn 64 features of each head (dims), but a head has 32"),
        ("vit_tiny", "model.patch_size=3", "image_size [8, 8] is no multiple of patch_size 3; take [6, 6]"),
        ("unet_tiny", "model.image_size=[31, 32]", "cannot be halved 2 times, which 3 filters ask for"),
        ("linformer_tiny", "model.attention.length=64", "data.sequence_length 128 is above the 64 positions"),
        ("bert_tiny", "data.files=[not_there.txt]", "data: not_there.txt: there is no such file"),
        ("bert_tiny", "data.vocabulary=not_there.txt", "data: not_there.txt: there is no such file"),
        ("bert_tiny", "model.vocab_size=4", "data: a vocabulary of 4 leaves no room for words"),
        (
            "bert_base_sst2",
            "data={kind: text}",
            "running text, which sequence_classification does not learn from",
        ),
        ("mnist_fc", "data.directory=not_there", "data: not_there: there is no such directory"),
        ("mnist_fc", "model.channels=3", "the images have 1 channel(s), the model's input 3"),
        ("mnist_fc", "task.classes=5", "label 5 is out of range: ids run from 0 to 4"),
    ],
)
def test_what_does_not_fit_is_one_line_and_status_2(name, override, message):
    found = run("--spec", name, "--set", override)
    assert found.exit_code == 2
    assert message in found.stderr
    assert (found.stdout, len(found.stderr.splitlines())) == ("", 1)


def test_data_that_is_wrong_is_told_with_the_line_that_names_it(tmp_path):
    (tmp_path / "my.yaml").write_text(
        "extends: bert_tiny\ndata:\n  sequence_length: 64\n  files: [gone.txt]\n"
    )
    found = run("--spec", str(tmp_path / "my.yaml"))
    assert found.exit_code == 2
    assert found.stderr.startswith(f"{tmp_path}/my.yaml:2: data: gone.txt: there is no such file")
    assert run("--spec", str(tmp_path / "my.yaml"), "--no-data").exit_code == 0


def test_weights_to_begin_with_are_opened_and_have_to_fit(tmp_path):
    spec = load_spec("mnist_fc", ["model.hidden_sizes=[5]", "task.classes=3"])
    weights = {name: np.ones(each.shape, np.float32) for name, each in spec.graph().parameters().items()}
    CheckpointStore(tmp_path / "checkpoints").save(3, weights, {}, {"step": 3}, "x")
    begin = ("--set", f"training.initialize_from={tmp_path / 'checkpoints' / 'step-00000003'}")
    assert run("--spec", "mnist_fc", "--set", "model.hidden_sizes=[5]", *begin).exit_code == 0
    other = run("--spec", "mnist_fc", *begin)
    assert other.exit_code == 2
    assert "training.initialize_from: " in other.stderr
    assert "hidden_0.weight [5, 784] there, [500, 784] here" in other.stderr
    (tmp_path / "my.yaml").write_text("extends: mnist_fc\ntraining:\n  initialize_from: nowhere\n")
    gone = run("--spec", str(tmp_path / "my.yaml"))
    assert gone.exit_code == 2
    assert gone.stderr.startswith(
        f"{tmp_path}/my.yaml:3: training.initialize_from: nowhere: is no checkpoint"
    )
    assert run("--spec", str(tmp_path / "my.yaml"), "--no-data").exit_code == 0


def test_a_model_without_a_loss_is_valid_and_said_to_train_nothing():
    found = run("--spec", "bert_tiny", "--set", "task.kind=representation")
    assert found.exit_code == 0
    assert "training   none: the model has no loss" in found.stdout


def test_a_loss_without_weights_to_train_is_refused(tmp_path):
    nodes = "{loss: {block: softmax_cross_entropy, inputs: {logits: x, labels: labels}}}"
    inputs = "{x: {shape: [batch, 3]}, labels: {shape: [batch], dtype: int32, label: true}}"
    model = f"{{kind: graph, inputs: {inputs}, nodes: {nodes}, outputs: {{loss: loss}}}}"
    (tmp_path / "my.yaml").write_text(f"model: {model}\ntask: representation\ndata: generated\n")
    found = run("--spec", str(tmp_path / "my.yaml"))
    assert found.exit_code == 2, found.stdout
    assert "my has no parameters to train" in found.stderr


def test_examples_of_absurd_size_are_not_made():
    found = run("--spec", "mnist_fc", "--set", "model.image_size=[100000, 100000]")
    assert found.exit_code == 0
    described = CliRunner().invoke(
        application(), ["describe", "--spec", "mnist_fc", "--set", "model.image_size=[100000, 100000]"]
    )
    assert "not opened: at these sizes an example takes more" in described.stdout


def test_that_data_is_drawn_is_said_wherever_a_spec_is_shown():
    from zoo_common.data import open_dataset

    said = "inputs and labels drawn at random"
    name = "bert_base_sst2"
    for command in (["validate"], ["describe"], ["describe", "--json"], ["describe", "--markdown"]):
        assert said in CliRunner().invoke(application(), [*command, "--spec", name]).stdout
    listed = CliRunner().invoke(application(), ["list", "bert"], env={"COLUMNS": "200"}).stdout
    assert said in listed
    assert "sequence_classification  drawn data" in next(line for line in listed.splitlines() if name in line)
    assert said in open_dataset(load_spec(name), None, "train").description().source  # In train's first line.
    assert said not in CliRunner().invoke(application(), ["describe", "--spec", "bert_tiny"]).stdout


def test_micro_batches_that_would_not_add_up_are_refused_before_a_step(tmp_path):
    """A node computes the weights of the loss, so that a batch's sum is not known before all of it ran."""
    model = {
        "kind": "graph",
        "inputs": {
            "x": {"shape": ["batch", 4], "dtype": "float32"},
            "labels": {"shape": ["batch"], "dtype": "int32", "label": True},
            "label_weights": {"shape": ["batch"], "label": True},
        },
        "nodes": {
            "scores": {"block": {"kind": "dense", "size": 3}, "inputs": "x"},
            "gates": {"block": {"kind": "sigmoid"}, "inputs": "label_weights"},
            "fit": {
                "block": {"kind": "softmax_cross_entropy"},
                "inputs": {"logits": "scores", "labels": "labels", "weights": "gates"},
            },
        },
        "outputs": {"loss": "fit", "gates": "gates"},
    }
    spec = {
        "model": model,
        "data": {"kind": "generated"},
        "training": {"batch_size": 4, "micro_batch_size": 2},
    }
    (tmp_path / "my.yaml").write_text(json.dumps(spec))
    found = run("--spec", str(tmp_path / "my.yaml"))
    assert found.exit_code == 2
    assert "training.micro_batch_size needs losses whose labels and weights are inputs" in found.stderr
    assert run("--spec", str(tmp_path / "my.yaml"), "--set", "training.micro_batch_size=null").exit_code == 0
