"""A loss is a weighted mean: of any scale, 0 where nothing weighs, and of ones where weights are left out."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import tensorflow as tf
import torch

from cases import combined, spec_of
from models import training_model
from zoo_common.backend import import_state
from zoo_common.parity.probes import probe_inputs
from zoo_common.training.denominators import denominators, split
from zoo_common.training.evaluation import evaluate_batches
from zoo_common.training.loop import train_on
from zoo_spec import load_spec
from zoo_spec.blocks.base import Block
from zoo_spec.blocks.losses import Loss, SumLosses
from zoo_spec.registry import classes
from zoo_spec.shrink import shrunk
from zoo_spec.tensors import TensorSpec
from zoo_tf.blocks.build import build as build_tf
from zoo_torch.blocks.base import build as build_torch

each_framework = pytest.mark.parametrize("framework", ["torch", "tf"])
LOSSES = {
    kind: cls
    for kind, cls in classes(Block).items()
    if issubclass(cls, Loss) and cls is not SumLosses and "kind" in cls.model_fields
}
SHAPES = {  # of logits, labels and weights
    "softmax_cross_entropy": ((4, 5), (4,), (4,)),
    "position_cross_entropy": ((4, 5), (4,), (4,)),
    "sigmoid_cross_entropy": ((4, 5), (4, 5), (4, 5)),
    "squared_error": ((4, 5), (4, 5), (4, 5)),
    "softmax_dice": ((4, 6, 3), (4, 6), (4, 6)),
    "sigmoid_dice": ((4, 6), (4, 6), (4, 6)),
    "ctc_loss": ((4, 7, 5), (4, 2), (4,)),
}
each_loss = pytest.mark.parametrize("kind", list(LOSSES))


def drawn(kind):
    logits, labels, weights = SHAPES[kind]
    rng = np.random.default_rng(3)
    low = 1 if kind == "ctc_loss" else 0
    found = rng.standard_normal(labels) if kind == "squared_error" else rng.integers(low, 2, labels)
    return rng.standard_normal(logits), found, rng.integers(0, 4, weights) / 2 + 0.25


@cache
def layer(kind, framework, dtype):
    dtypes = {"labels": "float32" if kind == "squared_error" else "int32"}
    shapes = dict(zip(("logits", "labels", "weights"), SHAPES[kind], strict=True))
    inputs = {name: TensorSpec(shape, dtypes.get(name, "float32")) for name, shape in shapes.items()}
    block = LOSSES[kind]()
    if framework == "torch":
        return build_torch(block, inputs)
    return build_tf(block, inputs)


def loss_and_gradient(kind, framework, weights, dtype="float32"):
    """Both as float64; weights of None are left out."""
    logits, labels, _ = drawn(kind)
    wide = np.float64 if dtype == "float64" else np.float32
    labels = labels.astype(wide if kind == "squared_error" else np.int32)
    given = {} if weights is None else {"weights": weights.astype(wide)}
    made = layer(kind, framework, dtype)
    if framework == "torch":
        x = torch.tensor(logits, dtype=getattr(torch, dtype), requires_grad=True)
        loss = made(x, torch.from_numpy(labels), **{name: torch.from_numpy(w) for name, w in given.items()})[
            "loss"
        ]
        (gradient,) = torch.autograd.grad(loss, x)
        return loss.item(), gradient.double().numpy()
    x = tf.constant(logits, dtype)
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = made(x, tf.constant(labels), **{name: tf.constant(w) for name, w in given.items()})["loss"]
    return float(loss), tf.cast(tape.gradient(loss, x), tf.float64).numpy()


def test_every_loss_has_a_case_here():
    assert set(LOSSES) == set(SHAPES)


@each_framework
@each_loss
def test_a_loss_is_the_weighted_mean_of_what_single_weights_pick(kind, framework):
    """A Dice coefficient is none of single places: there whole images are picked."""
    _, _, weights = drawn(kind)
    if kind.endswith("_dice"):
        picks = [np.where(np.arange(4)[:, None] == row, weights, 0.0) for row in range(4)]
        factors = weights.sum(1)
    else:
        picks = list(np.eye(weights.size).reshape(-1, *weights.shape))
        factors = weights.ravel()
    singles = [loss_and_gradient(kind, framework, pick, "float64") for pick in picks]
    wanted = sum(factor * loss for factor, (loss, _) in zip(factors, singles, strict=True)) / factors.sum()
    slope = sum(factor * found for factor, (_, found) in zip(factors, singles, strict=True)) / factors.sum()
    loss, gradient = loss_and_gradient(kind, framework, weights, "float64")
    assert loss == pytest.approx(wanted, rel=1e-12)
    np.testing.assert_allclose(gradient, slope, atol=1e-12 * np.abs(slope).max())
    assert np.abs(gradient).max() > 1e-3


@each_framework
@each_loss
@pytest.mark.parametrize("scale", [1e-20, 1e-6, 0.1, 1e6])
def test_the_scale_of_all_weights_does_not_matter(kind, framework, scale):
    _, _, weights = drawn(kind)
    wanted, slope = loss_and_gradient(kind, framework, weights)
    loss, gradient = loss_and_gradient(kind, framework, scale * weights)
    assert loss == pytest.approx(wanted, rel=1e-6)
    np.testing.assert_allclose(gradient, slope, atol=1e-6 * np.abs(slope).max())


@each_framework
@each_loss
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float64"])
def test_weights_that_are_all_0_give_a_loss_and_gradients_of_0(kind, framework, dtype):
    loss, gradient = loss_and_gradient(kind, framework, np.zeros(SHAPES[kind][2]), dtype)
    assert loss == 0.0
    assert (gradient == 0.0).all()


@each_framework
@each_loss
def test_weights_left_out_are_ones(kind, framework):
    wanted, slope = loss_and_gradient(kind, framework, np.ones(SHAPES[kind][2]))
    loss, gradient = loss_and_gradient(kind, framework, None)
    assert loss == wanted
    np.testing.assert_array_equal(gradient, slope)


@cache
def weighted_tasks():
    """A family for each task whose loss has weights."""
    families = {}
    for family, task in combined()[0]:
        if any(part.weights for part in spec_of(family, task).graph().loss_parts):
            families.setdefault(task, family)
    return sorted((family, task) for task, family in families.items())


def made(spec, framework):
    backend = training_model(framework, spec.graph(), spec.training, "float32")
    return backend


def with_ones(graph, batch):
    """The batch with weights of 1, and without any."""
    weights = {part.weights for part in graph.loss_parts} - {None}
    assert weights
    ones = {name: np.ones_like(value) if name in weights else value for name, value in batch.items()}
    return ones, {name: value for name, value in batch.items() if name not in weights}


@each_framework
@pytest.mark.parametrize(("family", "task"), weighted_tasks())
def test_a_task_takes_batches_without_weights_as_weights_of_1(family, task, framework):
    spec = spec_of(family, task)
    graph = spec.graph()
    ones, without = with_ones(graph, probe_inputs(graph, 0)["full"])
    backend = made(spec, framework)
    wanted = evaluate_batches(backend, spec, graph, [ones])
    assert evaluate_batches(backend, spec, graph, [without]) == wanted
    assert denominators(graph, without) == denominators(graph, ones)
    if framework == "tf" and task != "token_classification":
        return  # What trains is the same code for all tasks.
    state = backend.export_state()
    steps = []
    for batch in (ones, without):
        import_state(backend, state)
        steps.append(train_on(backend, graph, spec.training, batch, 0).result)
    assert float(steps[1].loss) == float(steps[0].loss)
    assert float(steps[1].gradient_norm) == float(steps[0].gradient_norm) > 0


@each_framework
def test_small_weights_train_and_evaluate_as_large_ones_and_in_micro_batches(framework):
    spec = shrunk(
        load_spec(
            "bert_tiny_ner", ["model.dropout=0", "model.attention_dropout=0", "training.precision=float64"]
        )
    )
    graph = spec.graph()
    backend = training_model(framework, graph, spec.training)
    batch = probe_inputs(graph, 0)["full"]
    small = {**batch, "label_weights": 1e-6 * batch["label_weights"]}
    wanted = evaluate_batches(backend, spec, graph, [batch])
    found = evaluate_batches(backend, spec, graph, split(small, 2))
    assert found == pytest.approx(wanted, rel=1e-12)
    state, norms = backend.export_state(), []
    for micro_batches, given in (([batch], batch), ([small], small), (split(small, 2), small)):
        import_state(backend, state)
        result = backend.train_step(micro_batches, denominators(graph, given), 0.1)
        assert float(result.loss) == pytest.approx(wanted["loss"], rel=1e-12)
        norms.append(float(result.gradient_norm))
    assert norms == pytest.approx([norms[0]] * 3, rel=1e-10)


@each_framework
def test_a_step_without_any_weight_has_a_loss_of_0_and_moves_nothing(framework):
    spec = shrunk(load_spec("bert_tiny_ner", ["training.optimizer={kind: sgd, learning_rate: 1}"]))
    graph = spec.graph()
    backend = made(spec, framework)
    batch = probe_inputs(graph, 0)["full"]
    batch = {**batch, "label_weights": np.zeros_like(batch["label_weights"])}
    before = backend.export_state().weights
    for micro_batches in ([batch], split(batch, 2)):
        result = backend.train_step(micro_batches, denominators(graph, batch), 1.0)
        assert (float(result.loss), float(result.gradient_norm)) == (0.0, 0.0)
    for name, value in backend.export_state().weights.items():
        np.testing.assert_array_equal(value, before[name])
    found = evaluate_batches(backend, spec, graph, [batch])
    assert set(found.values()) == {0.0}


@each_framework
@pytest.mark.parametrize("weight", [0.0, 1.0])
def test_an_example_without_frames_or_with_labels_that_do_not_fit_counts_by_its_weight(framework, weight):
    """The second has no frames: no labels are certain then, and any are impossible; the third's do not fit."""
    x = np.random.default_rng(0).standard_normal((3, 4, 5))
    labels, frames = np.array([[1, 2], [0, 0], [3, 3]], np.int32), np.array([4, 0, 2])
    ids = (np.arange(4) < frames[:, None]).astype(np.int32)
    made = layer("ctc_loss", framework, "float64")

    def loss(weights, labels=labels):
        if framework == "torch":
            logits, rest = torch.tensor(x, requires_grad=True), (torch.tensor(labels), torch.tensor(weights))
            found = made(logits, *rest, frame_ids=torch.tensor(ids))["loss"]
            return found.item(), torch.autograd.grad(found, logits)[0].numpy()
        logits = tf.constant(x)
        with tf.GradientTape() as tape:
            tape.watch(logits)
            found = made(logits, tf.constant(labels), tf.constant(weights), frame_ids=tf.constant(ids))[
                "loss"
            ]
        return float(found), tape.gradient(found, logits).numpy()

    alone, slope = loss(np.array([1.0, 0.0, 0.0]))
    value, gradient = loss(np.array([1.0, weight, 0.0]))
    assert value == pytest.approx(alone / (1 + weight), rel=1e-12)
    np.testing.assert_allclose(gradient, slope / (1 + weight), rtol=1e-12)
    assert np.abs(gradient[0]).max() > 1e-3
    assert not gradient[1:].any()
    assert loss(np.array([1.0, 0.0, 1.0]))[0] == np.inf
    assert loss(np.array([1.0, 1.0, 0.0]), labels[[0, 2, 2]])[0] == np.inf
