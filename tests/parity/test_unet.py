"""UNet, its norms and its losses in both backends against plain torch, written here from the papers, in float64."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
import torch
import torch.nn.functional as F

import zoo_tf
import zoo_torch
from models import training_model
from zoo_spec.experiment import ExperimentSpec
from zoo_tf.leaves import named_variables, to_canonical

LIMIT = 1e-10  # of the tensor's largest magnitude
BATCH = 3
SIZES = {
    "image_size": (24, 16),
    "channels": 2,
    "filters": (6, 8, 12, 10),
    "initializer": {"kind": "he_normal"},
}
NORMS = {
    "none": None,
    "batch": {"kind": "batch_norm", "epsilon": 3e-3, "decay": 0.7},
    "group": {"kind": "group_norm", "groups": 2, "epsilon": 3e-3},
    "instance": {"kind": "instance_norm", "epsilon": 3e-3},
}
CASES = {
    "classic": ({}, {"kind": "segmentation", "classes": 4}),
    "batch": ({"norm": NORMS["batch"]}, {"kind": "segmentation", "classes": 2, "loss": "dice"}),
    "group": (
        {"norm": NORMS["group"], "bias": True, "activation": "silu"},
        {"kind": "binary_segmentation", "loss": "cross_entropy_dice"},
    ),
    "instance-residual-strided": (
        {"norm": NORMS["instance"], "residual": True, "downsampling": "strided_convolution"},
        {"kind": "segmentation", "classes": 3, "loss": "cross_entropy_dice", "dice_smoothing": 0.3},
    ),
    "no-skips-other-decoder": (
        {"skip_connections": False, "decoder_filters": (9, 7, 5), "kernel_sizes": (5, 3, 1)},
        {"kind": "binary_segmentation", "loss": "dice"},
    ),
}
each_case = pytest.mark.parametrize("case", CASES)
each_framework = pytest.mark.parametrize("framework", ["torch", "tf"])


@pytest.fixture(autouse=True)
def _one_thread():
    """Tensors this small wait for threads a hundred times longer than they compute on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def make_spec(case: str, **training) -> ExperimentSpec:
    model, task = CASES[case]
    return ExperimentSpec.model_validate(
        {"model": {"kind": "unet", **SIZES, **model}, "task": task, "training": training}
    )


def draw(spec: ExperimentSpec):
    """Weights of order one, positive where they are variances, and a batch whose pixels weigh 0, a half or 1."""
    rng = np.random.default_rng(7)
    weights = {}
    for name, parameter in spec.graph().parameters().items():
        value = rng.standard_normal(parameter.shape)
        if parameter.role == "weight":
            value *= 1.5 / np.sqrt(value[0].size)
        weights[name] = np.exp(0.3 * value) if name.endswith("running_var") else value
    graph = spec.graph()
    shape = (BATCH, *SIZES["image_size"])
    classes = graph.outputs["logits"].shape[3] if len(graph.outputs["logits"].shape) == 4 else 2
    batch = {
        "image": rng.standard_normal((*shape, SIZES["channels"])),
        "labels": rng.integers(0, classes, shape).astype(np.int32),
        "label_weights": rng.integers(0, 3, shape) / 2,
    }
    return weights, batch


def reference(spec: ExperimentSpec, weights, batch, *, training: bool = False):
    """Logits, the loss' parts and gradients, after figure 1 of Ronneberger et al.; running statistics by name."""
    model, task = spec.model, spec.task
    w = {name: torch.tensor(value) for name, value in weights.items()}
    for name in w:
        w[name].requires_grad_("running" not in name)
    moved = {}
    act = {"relu": torch.relu, "silu": lambda x: x * torch.sigmoid(x)}[model.activation]

    def norm(x, name):
        kind = getattr(model.norm, "kind", None)
        if kind is None:
            return x
        view = (1, -1, 1, 1)
        weight, bias = w[f"{name}.weight"].view(view), w[f"{name}.bias"].view(view)
        if kind == "batch_norm":
            mean, var = w[f"{name}.running_mean"], w[f"{name}.running_var"]
            if training:
                count, (found_mean, found) = x.numel() // x.shape[1], (x.mean((0, 2, 3)), None)
                found = ((x - found_mean.view(view)) ** 2).mean((0, 2, 3))
                keep = model.norm.decay
                moved[f"{name}.running_mean"] = keep * mean + (1 - keep) * found_mean
                moved[f"{name}.running_var"] = keep * var + (1 - keep) * found * count / (count - 1)
                mean, var = found_mean, found
            normal = (x - mean.view(view)) / torch.sqrt(var.view(view) + model.norm.epsilon)
        else:
            groups = model.norm.groups if kind == "group_norm" else x.shape[1]
            g = x.reshape(x.shape[0], groups, -1)
            g = (g - g.mean(2, keepdim=True)) / torch.sqrt(
                g.var(2, correction=0, keepdim=True) + model.norm.epsilon
            )
            normal = g.reshape(x.shape)
        return normal * weight + bias

    def block(x, name):
        y = x
        for index, size in enumerate(model.kernel_sizes):
            conv = f"{name}_conv_{index}"
            y = F.conv2d(y, w[f"{conv}.weight"], w.get(f"{conv}.bias"), padding=size // 2)
            y = norm(y, f"{name}_norm_{index}")
            if model.residual and index == len(model.kernel_sizes) - 1:
                shortcut = w.get(f"{name}_shortcut.weight")
                y = y + (x if shortcut is None else F.conv2d(x, shortcut))
            y = act(y)
        return y

    x, levels = torch.tensor(batch["image"]).permute(0, 3, 1, 2), []
    for level in range(len(model.filters)):
        if level and model.downsampling == "max_pool":
            x = F.max_pool2d(x, 2)
        elif level:
            x = F.conv2d(x, w[f"down_{level}.weight"], w[f"down_{level}.bias"], stride=2)
        x = block(x, f"encoder_{level}")
        levels.append(x)
    for level in reversed(range(len(levels) - 1)):
        x = F.conv_transpose2d(x, w[f"up_{level}.weight"], w[f"up_{level}.bias"], stride=2)
        x = torch.cat([levels[level], x], 1) if model.skip_connections else x
        x = block(x, f"decoder_{level}")
    head = "classifier.dense"
    logits = F.conv2d(x, w[f"{head}.weight"][..., None, None], w[f"{head}.bias"]).permute(0, 2, 3, 1)
    binary = task.kind == "binary_segmentation"
    logits = logits[..., 0] if binary else logits
    labels, each = torch.tensor(batch["labels"]).long(), torch.tensor(batch["label_weights"])
    p = torch.sigmoid(logits)[..., None] if binary else torch.softmax(logits, -1)
    right = (
        torch.where(labels == 1, p[..., 0], 1 - p[..., 0])
        if binary
        else p.gather(-1, labels[..., None])[..., 0]
    )
    parts = {}
    if "cross_entropy" in task.loss:
        parts["cross_entropy"] = (each * -torch.log(right)).sum()
    if "dice" in task.loss:
        g = labels[..., None].double() if binary else F.one_hot(labels, p.shape[-1]).double()
        v, s = each[..., None], task.dice_smoothing
        dice = (2 * (v * p * g).sum((1, 2)) + s) / ((v * p).sum((1, 2)) + (v * g).sum((1, 2)) + s)
        parts["dice"] = (each.sum((1, 2)) * (1 - dice.mean(1))).sum()
    loss = sum(parts.values()) / each.sum()
    trained = [name for name in w if w[name].requires_grad]
    gradients = dict(zip(trained, torch.autograd.grad(loss, [w[name] for name in trained]), strict=True))
    found = {"logits": logits, "loss": loss, **{f"{name}_numerator": value for name, value in parts.items()}}
    found |= {f"gradient of {name}": value for name, value in gradients.items()}
    return {name: value.detach().numpy() for name, value in (found | moved).items()}


def ours(spec: ExperimentSpec, framework: str, weights, batch, *, training: bool = False):
    """The same of a compiled model."""
    room = {"torch": zoo_torch, "tf": zoo_tf}[framework]
    model = room.compile(spec, dtype="float64")
    room.set_weights(model, weights)
    if framework == "torch":
        model.train(training)
        outputs = model(**{name: torch.tensor(value) for name, value in batch.items()})
        names, parameters = zip(*model.named_parameters(), strict=True)
        gradients = dict(zip(names, torch.autograd.grad(outputs["loss"], parameters), strict=True))
        found = {name: value.detach().numpy() for name, value in outputs.items()}
        gradients = {name: value.numpy() for name, value in gradients.items()}
    else:
        variables = {name: each for name, each in named_variables(model) if each.trainable}
        with tf.GradientTape() as tape:
            outputs = model({name: tf.constant(value) for name, value in batch.items()}, training=training)
        values = tape.gradient(outputs["loss"], [each.value for each in variables.values()])
        found = {name: value.numpy() for name, value in outputs.items()}
        gradients = {
            name: to_canonical(each, value.numpy())
            for (name, each), value in zip(variables.items(), values, strict=True)
        }
    found |= {f"gradient of {name}": value for name, value in gradients.items()}
    if training:
        found |= {name: value for name, value in room.get_weights(model).items() if "running" in name}
    return found


def assert_equal(found, wanted):
    """Within the limit of each tensor's magnitude, or of a thousandth of the largest gradient's."""
    top = max(np.abs(value).max() for name, value in wanted.items() if name.startswith("gradient"))
    for name, value in wanted.items():
        assert found[name].shape == value.shape, name
        assert found[name].dtype == np.float64, name
        scale = max(np.abs(value).max(), 1e-3 * top if name.startswith("gradient") else 0.0)
        assert np.abs(found[name] - value).max() <= LIMIT * scale, name
    assert 0.1 < np.abs(wanted["logits"]).max() < 100


@each_framework
@each_case
def test_everything_equals_the_papers_network(case, framework):
    spec = make_spec(case)
    weights, batch = draw(spec)
    found, wanted = ours(spec, framework, weights, batch), reference(spec, weights, batch)
    graph = spec.graph()
    assert {
        f"gradient of {name}" for name, each in graph.parameters().items() if each.trainable
    } <= wanted.keys()
    assert_equal(found, wanted)


@each_framework
def test_batch_norm_trains_by_the_batch_and_moves_its_statistics(framework):
    spec = make_spec("batch")
    weights, batch = draw(spec)
    wanted = reference(spec, weights, batch, training=True)
    assert sum("running" in name for name in wanted) == 2 * len(SIZES["filters"] + SIZES["filters"][:-1]) * 2
    found = ours(spec, framework, weights, batch, training=True)
    assert_equal(found, wanted)
    still = reference(spec, weights, batch)
    assert np.abs(still["logits"] - wanted["logits"]).max() > 0.1


@each_framework
@pytest.mark.parametrize(
    "change", [{"epsilon": 3.01e-3}, {"decay": 0.701}], ids=lambda change: next(iter(change))
)
def test_a_planted_difference_of_a_batch_norm_is_seen(change, framework):
    spec = make_spec("batch")
    weights, batch = draw(spec)
    other = spec.model_copy(
        update={"model": spec.model.model_copy(update={"norm": spec.model.norm.model_copy(update=change)})}
    )
    found = ours(other, framework, weights, batch, training=True)
    with pytest.raises(AssertionError):
        assert_equal(found, reference(spec, weights, batch, training=True))


@each_framework
@pytest.mark.parametrize("case", ["group", "instance-residual-strided"])
def test_micro_batches_add_up_to_the_batch(case, framework):
    """Cross-entropy and Dice alike, however the pixels' weights fall."""
    from zoo_common.training.loop import train_on

    states = []
    for micro in (None, 1):
        optimizer = {"kind": "sgd", "learning_rate": 0.1}
        spec = make_spec(case, batch_size=BATCH, micro_batch_size=micro, optimizer=optimizer, steps=3)
        weights, batch = draw(spec)
        backend = training_model(framework, spec.graph(), spec.training)
        backend.set_weights(weights)
        train_on(backend, spec.graph(), spec.training, batch, 0)
        states.append(backend.export_state().weights)
    assert any(np.abs(states[0][name] - weights[name]).max() > 1e-4 for name in weights)
    for name, value in states[0].items():
        assert np.abs(value - states[1][name]).max() <= LIMIT * np.abs(value).max(), name
