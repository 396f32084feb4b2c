"""The loop in both frameworks: accumulation, continuing, dropout, traces. Float64, so that equal means equal."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from models import training_model
from zoo_common.backend import find_backend
from zoo_common.checkpoint import CheckpointStore
from zoo_common.data import batch, open_dataset
from zoo_common.training.denominators import denominators, split
from zoo_common.training.loop import train_on
from zoo_common.training.metrics_file import losses
from zoo_common.training.run_directory import read_metrics
from zoo_common.training.session import DivergedError
from zoo_common.training.spec_run import spec_run
from zoo_spec import load_spec
from zoo_spec.errors import InputError
from zoo_spec.experiment import ExperimentSpec
from zoo_spec.shrink import shrunk

FRAMEWORKS = ("torch", "tf")


def small(*overrides, name="bert_tiny"):
    common = ("training.precision=float64", "training.batch_size=8", "training.schedule={warmup_steps: 3}")
    given = {override.partition("=")[0]: override for override in (*common, *overrides)}
    return shrunk(load_spec(name, list(given.values())))


def with_steps(spec, steps, **changes):
    return spec.model_copy(update={"training": spec.training.model_copy(update={"steps": steps, **changes})})


def made(framework, spec):
    return training_model(framework, spec.graph(), spec.training, spec.training.precision)


def curve(framework, spec, steps):
    backend, graph, dataset = made(framework, spec), spec.graph(), open_dataset(spec, None, "train")
    found = []
    for index in range(steps):
        given = dict(batch(dataset, 0, index, spec.training.batch_size))
        # Uneven: the first rows have few weights, the last have many.
        given["masked_weights"] = np.tri(*given["masked_weights"].shape, dtype=np.float32)
        found.append(float(train_on(backend, graph, spec.training, given, index).result.loss))
    return np.array(found), backend


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_micro_batches_with_uneven_token_counts_are_the_big_batch(framework):
    whole, one = curve(framework, small("training.micro_batch_size=null"), 4)
    parts, other = curve(framework, small("training.micro_batch_size=2"), 4)
    assert np.max(np.abs(whole - parts) / whole) < 1e-12
    ours, theirs = one.export_state(), other.export_state()
    for name, value in ours.weights.items():
        # A key's bias stays at zero but for rounding, so it has no size of its own to be judged by.
        scale = max(np.max(np.abs(value)), 1e-3)
        assert np.max(np.abs(value - theirs.weights[name])) <= 1e-12 * scale, name


def test_denominators_are_those_of_the_whole_batch():
    spec = small()
    graph, dataset = spec.graph(), open_dataset(spec, None, "train")
    given = batch(dataset, 0, 0, 8)
    found = denominators(graph, given)
    assert found == {"masked_lm": float(given["masked_weights"].sum()), "next_sentence": 8.0}
    assert [len(part["input_ids"]) for part in split(given, 3)] == [3, 3, 2]


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_the_losses_of_a_step_are_the_models_own(framework):
    spec = small()
    backend, graph, dataset = made(framework, spec), spec.graph(), open_dataset(spec, None, "train")
    given = batch(dataset, 0, 0, 8)
    outputs = backend.evaluate_step(given)
    step = train_on(backend, graph, spec.training, given, 0)
    assert float(step.result.loss) == pytest.approx(float(outputs["loss"]), rel=1e-13)
    assert float(step.result.parts["masked_lm"]) == pytest.approx(float(outputs["masked_lm_loss"]), rel=1e-13)


def test_portable_dropout_gives_both_frameworks_the_same_masks():
    spec = small("model.dropout=0.2", "model.attention_dropout=0.3", "training.random=portable")
    ours, theirs = (curve(framework, spec, 6)[0] for framework in FRAMEWORKS)
    assert np.max(np.abs(ours - theirs) / ours) < 1e-12
    without = curve("torch", small(), 6)[0]
    assert np.max(np.abs(ours - without)) > 1e-3


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_native_dropout_drops_and_differs_from_step_to_step(framework):
    spec = small("model.dropout=0.2", "training.optimizer.learning_rate=1e-9")
    backend, graph, dataset = made(framework, spec), spec.graph(), open_dataset(spec, None, "train")
    given = batch(dataset, 0, 0, 8)
    found = [float(train_on(backend, graph, spec.training, given, index).result.loss) for index in range(3)]
    assert len({round(loss, 6) for loss in found}) == 3


def test_the_tensorflow_step_is_traced_once_for_all_sequence_lengths():
    spec = small()
    backend, graph = made("tf", spec), spec.graph()
    for index, length in enumerate((20, 12, 16, 20, 12)):
        given = batch(open_dataset(spec, None, "train"), 0, index, 8)
        cut = {
            name: value[:, :length] if "sequence" in graph.inputs[name].shape else value
            for name, value in given.items()
        }
        cut["masked_positions"] = cut["masked_positions"] % length
        train_on(backend, graph, spec.training, cut, index)
    assert backend.traces == 1


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    """Runs of 10 steps, one a framework, in their directories."""
    folder = tmp_path_factory.mktemp("begun")
    spec = small()
    for framework in FRAMEWORKS:
        spec_run(
            find_backend(framework)(), with_steps(spec, 10), folder / framework, device="cpu", quiet=True
        ).train()
    return folder, spec


@pytest.mark.parametrize("first", FRAMEWORKS)
def test_a_run_goes_on_in_the_other_framework_for_a_hundred_steps(first, begun, tmp_path):
    folder, spec = begun
    found = {}
    for second in FRAMEWORKS:
        directory = tmp_path / second
        shutil.copytree(folder / first, directory)
        spec_run(find_backend(second)(), with_steps(spec, 110), directory, device="cpu", quiet=True).train()
        found[second] = losses(read_metrics(directory / "metrics.jsonl"))
    assert list(found["torch"]) == [*range(1, 101), 110]
    for step, loss in found[first].items():
        for second in FRAMEWORKS:
            assert abs(found[second][step] - loss) <= 1e-12 * loss, step


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_resumed_run_is_bit_for_bit_the_uninterrupted_one_dropout_included(framework, tmp_path):
    spec = small("model.dropout=0.1", "model.attention_dropout=0.1", "training.precision=float32")
    constant = {"schedule": load_spec("mnist_fc", ["training.schedule={kind: constant}"]).training.schedule}
    straight = spec_run(
        find_backend(framework)(), with_steps(spec, 6, **constant), tmp_path / "a", quiet=True
    )
    straight.train()
    spec_run(find_backend(framework)(), with_steps(spec, 3, **constant), tmp_path / "b", quiet=True).train()
    resumed = spec_run(find_backend(framework)(), with_steps(spec, 6, **constant), tmp_path / "b", quiet=True)
    resumed.train()
    ours, theirs = straight.learner.export_state(), resumed.learner.export_state()
    for name, value in ours.weights.items():
        assert np.array_equal(value, theirs.weights[name]), name
    for name, value in ours.optimizer.items():
        assert np.array_equal(value, theirs.optimizer[name]), name


def test_the_same_command_again_does_nothing_and_another_spec_is_refused(begun, capsys):
    folder, spec = begun
    assert spec_run(find_backend("torch")(), with_steps(spec, 10), folder / "torch").train() == []
    assert "has its 10 steps already" in capsys.readouterr().err
    other = with_steps(spec, 10, batch_size=4)
    with pytest.raises(InputError, match=r"training\.batch_size"):
        spec_run(find_backend("torch")(), other, folder / "torch", quiet=True).train()


def test_a_flipped_byte_in_a_checkpoint_is_named(begun, tmp_path):
    folder, spec = begun
    shutil.copytree(folder / "torch", tmp_path / "run")
    weights = sorted((tmp_path / "run" / "checkpoints").iterdir())[-1] / "weights.safetensors"
    content = bytearray(weights.read_bytes())
    content[-5] ^= 1
    weights.write_bytes(content)
    with pytest.raises(InputError, match=r"weights\.safetensors"):
        spec_run(find_backend("torch")(), with_steps(spec, 20), tmp_path / "run", quiet=True).train()


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_run_whose_loss_is_not_finite_stops_and_saves_nothing(framework, tmp_path):
    optimizer = "training.optimizer={kind: sgd, learning_rate: 1e38}"
    spec = small(optimizer, "training.schedule={kind: constant}", "training.steps=5")
    with pytest.raises(DivergedError, match="learning_rate"):
        spec_run(find_backend(framework)(), spec, tmp_path / "run", quiet=True).train()
    last = CheckpointStore(tmp_path / "run" / "checkpoints").latest()
    assert last is not None
    assert all(np.isfinite(value).all() for value in last.weights().values())


def test_both_faces_train_and_evaluate_alike(tmp_path):
    import zoo_tf
    import zoo_torch

    changes = {"training.steps": 30, "training.batch_size": 32}
    runner = zoo_torch.Runner("mnist_fc", tmp_path / "torch", changes)
    estimator = zoo_tf.Estimator("mnist_fc", tmp_path / "tf", changes)
    ours, theirs = losses(runner.train()), losses(estimator.train())
    assert list(ours) == list(range(1, 31)) == list(theirs)
    assert max(abs(ours[step] - theirs[step]) for step in ours) < 1e-4
    accuracy = [face.evaluate()["accuracy"] for face in (runner, estimator)]
    assert accuracy[0] > 0.7
    assert abs(accuracy[0] - accuracy[1]) < 0.02
    assert [record["split"] for record in read_metrics(tmp_path / "torch" / "metrics.jsonl")][-1] == "eval"


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_shared_dropout_draws_another_mask_each_time_it_is_applied_in_a_step(framework):
    nodes = {
        "first": {"block": {"kind": "dropout", "rate": 0.5}, "inputs": "x"},
        "second": {"like": "first", "inputs": "x"},
        "joined": {"block": {"kind": "concatenate"}, "inputs": ("first", "second")},
        "head": {"block": {"kind": "dense", "size": 3}, "inputs": "joined"},
        "head_loss": {"block": {"kind": "softmax_cross_entropy"}, "inputs": ("head", "labels")},
    }
    inputs = {
        "x": {"shape": ("batch", 50)},
        "labels": {"shape": ("batch",), "dtype": "int32", "label": True},
    }
    outputs = {"joined": "joined", "loss": "head_loss"}
    spec = ExperimentSpec.model_validate(
        {
            "model": {"kind": "graph", "inputs": inputs, "nodes": nodes, "outputs": outputs},
            "data": {"kind": "generated"},
            "training": {"random": "portable", "batch_size": 2},
        }
    )
    backend = made(framework, spec)
    x = np.ones((2, 50), np.float32)
    with backend.random.at(3, 0):
        if framework == "torch":
            import torch

            backend.model.train()
            joined = backend.model(torch.from_numpy(x))["joined"].numpy()
        else:
            joined = backend.model({"x": x}, training=True)["joined"].numpy()
    assert not np.array_equal(joined[:, :50], joined[:, 50:])
    assert set(np.unique(joined)) == {0.0, 2.0}
