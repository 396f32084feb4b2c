"""What an interruption, or a question asked too early, leaves behind: nothing that the next step would feel."""

import numpy as np
import pytest

from models import training_model
from zoo_common.backend import find_backend
from zoo_common.data import open_dataset
from zoo_common.data.base import batch as make_batch
from zoo_common.training.denominators import denominators, split
from zoo_common.training.evaluation import evaluate
from zoo_common.training.loop import train_on
from zoo_common.training.spec_run import spec_run
from zoo_spec import load_spec
from zoo_spec.errors import InputError
from zoo_spec.experiment import ExperimentSpec

FRAMEWORKS = ("tf", "torch")
SMALL = ["model.image_size=[6, 7]", "model.hidden_sizes=[5]", "model.dropout=0.5", "data.kind=generated"]
SHORT = ["training.steps=4", "training.batch_size=8", "training.precision=float64"]


def _same(left, right):
    return all(np.array_equal(left[name], right[name]) for name in left)


def _started(framework, spec):
    backend = training_model(framework, spec.graph(), spec.training)
    return backend


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_step_that_is_interrupted_between_micro_batches_leaves_no_trace(framework):
    spec = load_spec("mnist_fc", SMALL + SHORT)
    batch = make_batch(open_dataset(spec, None, "train"), 0, 0, 8)
    divisors = denominators(spec.graph(), batch)
    broken, whole = _started(framework, spec), _started(framework, spec)
    whole.train_step(split(batch, 4), divisors, 0.1)
    with pytest.raises(Exception):  # noqa: B017, PT011 (each framework has its own)
        broken.train_step([*split(batch, 4), {"image": np.zeros((2, 1, 1, 1))}], divisors, 0.1)
    assert _same(broken.evaluate_step(batch), broken.evaluate_step(batch)), "dropout is still on"
    broken.train_step(split(batch, 4), divisors, 0.1)
    assert _same(broken.export_state().weights, whole.export_state().weights)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_run_that_is_interrupted_before_its_first_checkpoint_begins_anew(framework, tmp_path, monkeypatch):
    spec = load_spec("mnist_fc", [*SMALL, *SHORT, "training.save_every=4"])
    run = spec_run(find_backend(framework)(), spec, tmp_path / "run", device="cpu", quiet=True)
    straight = spec_run(
        find_backend(framework)(), spec, tmp_path / "straight", device="cpu", quiet=True
    ).train()
    with monkeypatch.context() as patch:
        patch.setattr(run, "_save", _interrupt)
        with pytest.raises(KeyboardInterrupt):
            run.train()
    assert run.train() == straight


def _interrupt():
    raise KeyboardInterrupt


def test_asking_a_new_run_for_its_evaluation_is_refused_each_time(tmp_path):
    spec = load_spec("mnist_fc", SMALL + SHORT)
    run = spec_run(find_backend("torch")(), spec, tmp_path / "run", device="cpu", quiet=True)
    for _ in range(2):
        with pytest.raises(InputError, match="no checkpoint yet"):
            run.evaluate()


def _composed(weights, **parts):
    """Two losses of two labels over float32 features, one weighted by ``weights``."""
    return ExperimentSpec.model_validate(
        {
            "name": "two_losses",
            "model": {
                "kind": "graph",
                "inputs": {
                    "x": {"shape": ("batch", 4), "dtype": "float32"},
                    "labels": {"shape": ("batch",), "dtype": "int32", "label": True},
                    "others": {"shape": ("batch",), "dtype": "int32", "label": True},
                    "label_weights": {"shape": ("batch",), "label": True},
                },
                "nodes": {
                    "scores": {"block": {"kind": "dense", "size": 3}, "inputs": "x"},
                    "gates": {"block": {"kind": "sigmoid"}, "inputs": "label_weights"},
                    "first": {
                        "block": {"kind": "softmax_cross_entropy"},
                        "inputs": {"logits": "scores", "labels": "labels", "weights": weights},
                    },
                    "second": {"block": {"kind": "softmax_cross_entropy"}, "inputs": ("scores", "others")},
                    "sum": {"block": {"kind": "sum_losses"}, "inputs": ("first", "second")},
                },
                "outputs": {"loss": "sum", "gates": "gates", "scores": "scores"},
            },
            "data": {"kind": "generated", "samples": 10},
            **parts,
        }
    )


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_the_batch_size_does_not_show_in_an_evaluation_where_one_of_two_losses_has_weights(framework):
    losses = []
    for size in (4, 10):
        spec = _composed("label_weights", training={"batch_size": size})
        backend = _started(framework, spec)
        losses.append(evaluate(backend, spec, spec.graph(), open_dataset(spec, None, "eval"), size)["loss"])
    assert losses[0] == pytest.approx(losses[1], rel=1e-12)


def test_micro_batches_are_refused_where_a_node_computes_the_weights_of_a_loss():
    spec = _composed("gates", training={"batch_size": 4, "micro_batch_size": 2})
    batch = make_batch(open_dataset(spec, None, "train"), 0, 0, 4)
    with pytest.raises(InputError, match="micro_batch_size"):
        train_on(_started("torch", spec), spec.graph(), spec.training, batch, 0)


def test_outputs_of_torch_are_copies_also_where_they_are_a_parameter():
    ids = {"shape": ("batch", "sequence"), "dtype": "int32"}
    model = {
        "kind": "graph",
        "inputs": {"input_ids": ids},
        "nodes": {"words": {"block": {"kind": "embedding", "rows": 5, "size": 2}, "inputs": "input_ids"}},
        "outputs": {"hidden_states": "words", "table": "words.table"},
    }
    backend = _started("torch", ExperimentSpec.model_validate({"name": "words", "model": model}))
    before = backend.evaluate_step({"input_ids": np.zeros((1, 1), np.int32)})["table"]
    kept = before.copy()
    backend.set_weights({"words.weight": np.ones((5, 2))})
    assert np.array_equal(before, kept)
