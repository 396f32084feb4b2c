"""``zoo eval``, ``predict`` and ``export`` take what computing needs: no initial value, no optimizer, less memory."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from small_runs import mnist_run
from zoo_common.backend import find_backend
from zoo_common.checkpoint import CheckpointStore
from zoo_common.cli.main import application
from zoo_common.memory import examples_at_once, inference_bytes, machine, training_bytes
from zoo_common.weights import InitialValues
from zoo_spec import load_spec
from zoo_spec.errors import EnvironmentFault

FRAMEWORKS = ["torch", "tf"]
each_framework = pytest.mark.parametrize("framework", FRAMEWORKS)


def run(*arguments):
    return CliRunner().invoke(application(), [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def digits(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("digits")
    np.save(folder / "digit.npy", np.eye(28, dtype=np.uint8) * 255)
    return mnist_run(folder / "run", steps=2)


def refuse(*_):
    raise AssertionError("an initial value was drawn")


@each_framework
def test_computing_draws_nothing_and_reads_no_optimizer(framework, digits, tmp_path, monkeypatch):
    optimizer = CheckpointStore(digits / "checkpoints").latest().path / "optimizer.safetensors"
    right = optimizer.read_bytes()
    monkeypatch.setattr(InitialValues, "read", refuse)
    of = ("--framework", framework, "--run-dir", digits)
    try:
        optimizer.write_bytes(bytes(len(right)))  # What would be read of it is no file of tensors.
        for command in (
            ("eval", *of, "--device", "cpu"),
            ("predict", *of, "--device", "cpu", digits.parent / "digit.npy"),
            ("export", *of, "--output", tmp_path / "export"),
        ):
            found = run(*command)
            assert found.exit_code == 0, found.output
    finally:
        optimizer.write_bytes(right)


@each_framework
def test_what_computes_has_no_optimizer_and_gives_what_what_trains_gives(framework):
    spec = load_spec("mnist_fc", ["model.hidden_sizes=[5]", "model.image_size=[4, 4]"])
    graph, backend = spec.graph(), find_backend(framework)()
    weights = InitialValues(graph.parameters(), 3)
    one = backend.for_inference(graph, weights, dtype="float64", device="cpu")
    other = backend.for_training(graph, spec.training, weights, dtype="float64", device="cpu")
    given = {"image": np.linspace(0, 1, 32).reshape(2, 4, 4, 1), "labels": np.array([1, 2], np.int32)}
    ours, theirs = one.evaluate_step(given), other.evaluate_step(given)
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        np.testing.assert_array_equal(value, theirs[name])
    assert not hasattr(one, "optimizer")
    assert not hasattr(one, "train_step")


def room(monkeypatch, size: int) -> None:
    """Have this machine be one with so much memory left."""
    monkeypatch.setattr(machine, "available_bytes", lambda: size)


@each_framework
def test_evaluating_works_where_training_does_not_fit(framework, digits, monkeypatch):
    spec = load_spec(digits / "spec.yaml")
    least = sum(inference_bytes(spec, spec.graph(), framework).values())
    training = sum(training_bytes(spec, spec.graph(), framework).values())
    assert least < training
    of = ("--framework", framework, "--run-dir", digits, "--device", "cpu")
    plenty = json.loads(run("eval", *of, "--json").stdout)
    room(monkeypatch, least)
    assert json.loads(run("eval", *of, "--json").stdout) == plenty
    again = ("--spec", digits / "spec.yaml", "--set", "training.steps=3")
    refused = run("train", *of, *again)
    assert refused.exit_code == 3
    assert "training it needs" in refused.stderr
    room(monkeypatch, 1_000_000)
    refused = run("eval", *of)
    assert refused.exit_code == 3
    assert "computing with its weights needs" in refused.stderr
    assert "training it" in refused.stderr
    assert "1.00 MB are available" in refused.stderr


def test_the_sum_for_computing_has_no_gradient_no_optimizer_and_no_activation_but_one_layers():
    spec = load_spec("gpt2_xl")
    graph = spec.graph()
    parts = inference_bytes(spec, graph, "torch", batch=1)
    assert parts["weights"] == 4 * 1_557_611_200
    assert sum(parts.values()) < 1.35 * parts["weights"] + parts["library"]
    deeper = load_spec("gpt2_xl", ["model.num_layers=96"])
    assert (
        inference_bytes(deeper, deeper.graph(), "torch")["activations"]
        == (inference_bytes(spec, graph, "torch")["activations"])
    )


def test_as_many_examples_are_taken_at_once_as_fit():
    spec = load_spec("gpt2_small", ["training.batch_size=64", "training.micro_batch_size=null"])
    graph = spec.graph()
    assert examples_at_once(spec, graph, "torch", available=1 << 50) == 64
    some = sum(inference_bytes(spec, graph, "torch", batch=5).values())
    assert examples_at_once(spec, graph, "torch", available=some) == 5
    with pytest.raises(EnvironmentFault, match="computing with its weights needs"):
        examples_at_once(
            spec, graph, "torch", available=sum(inference_bytes(spec, graph, "torch", batch=1).values()) - 1
        )
