"""Frozen parts and rates that differ: the same update in both frameworks, and nothing spent on what is frozen."""

from __future__ import annotations

import numpy as np
import pytest

from models import training_model
from zoo_common.backend import State
from zoo_common.data import batch, open_dataset
from zoo_common.parity.compare import gap, largest
from zoo_common.parity.opinions.optimizers import advance
from zoo_common.parity.suite import run_parity
from zoo_common.training.loop import train_on
from zoo_spec import load_spec
from zoo_spec.random import Stream
from zoo_spec.shrink import shrunk
from zoo_spec.trained import trained

BELOW = 'training.freeze=["embeddings", "encoder.layers.0"]'
RATES = ('training.rate_multipliers={"*.bias": 3.0, "encoder.layers.1.*": 0.25}', "training.layer_decay=0.8")
OPTIMIZERS = (
    "{kind: adamw, weight_decay: 0.1, max_gradient_norm: 1.0}",
    "{kind: sgd, momentum: 0.9, weight_decay: 0.1, max_gradient_norm: 1.0}",
)


def small(*overrides, name="bert_tiny_classification"):
    common = ("training.batch_size=4", "training.schedule={warmup_steps: 2}")
    return shrunk(load_spec(name, [*common, *overrides]))


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_hundred_steps_are_the_same_in_both_frameworks_and_by_the_formula(optimizer):
    spec = small(BELOW, *RATES, f"training.optimizer={optimizer}")
    graph, training = spec.graph(), spec.training
    learned, table = trained(graph, training), graph.parameters()
    backends = {name: training_model(name, graph, training, "float64") for name in ("torch", "tf")}
    first = backends["torch"].export_state()
    formula = State(first.weights, first.optimizer, 0)
    roles = {name: each.role for name, each in table.items()}
    for number in range(100):
        rate = 1e-2 / (1 + number % 7)
        gradients = {  # Of what is frozen too: it has no part in the norm that is clipped.
            name: 2 * Stream(0, number, name).uniforms(each.size).reshape(each.shape) - 1
            for name, each in table.items()
        }
        for backend in backends.values():
            backend.apply_gradients(gradients, rate)
        formula = advance(training.optimizer, formula, gradients, roles, rate, learned.factors)
    states = {name: backend.export_state() for name, backend in backends.items()}
    moments = {f"{name}/{moment}" for name in learned.factors for moment in training.optimizer.moments}
    for name, state in states.items():
        assert set(state.optimizer) == moments, name
        for wanted, found in ((formula.weights, state.weights), (formula.optimizer, state.optimizer)):
            for key, value in wanted.items():
                assert gap(found[key], value, largest(value)) < 1e-12, (name, key)
        for key in learned.frozen:
            np.testing.assert_array_equal(state.weights[key], first.weights[key], err_msg=key)


def test_parity_holds_at_every_level_with_frozen_parts():
    """Accumulated, recomputed, dropped, clipped; a table that the head is tied to is frozen with the embeddings."""
    freeze = 'training.freeze=["embeddings", "encoder.layers.0", "encoder.layers.1.attention.query.*"]'
    report = run_parity(
        small(freeze, *RATES, "training.random=portable", name="bert_tiny"),
        level="checkpoint",
        steps=12,
    )
    assert report.passed, [level for level in report.levels if not level.passed]


def test_a_batch_norm_whose_statistics_are_frozen_keeps_them_in_both_frameworks():
    spec = load_spec("unet_tiny")
    table = spec.graph().parameters()
    held = next(name for name in table if name.endswith("running_mean")).removesuffix(".running_mean")
    frozen = small(f"training.freeze=[{held}]", name="unet_tiny")
    halves = small(f"training.freeze=['{held}.weight', '{held}.bias']", name="unet_tiny")
    for given, moves in ((frozen, False), (halves, True)):
        graph, dataset = given.graph(), open_dataset(given, None, "train")
        found = []
        for framework in ("torch", "tf"):
            model = training_model(framework, graph, given.training, "float64")
            before = model.export_state().weights
            for index in range(2):
                train_on(model, graph, given.training, batch(dataset, 0, index, 4), index)
            after = model.export_state().weights
            for leaf in ("weight", "bias", "running_mean", "running_var"):
                same = np.array_equal(before[f"{held}.{leaf}"], after[f"{held}.{leaf}"])
                assert same is not (moves and leaf.startswith("running")), (framework, leaf)
            found.append(after)
        for name, value in found[0].items():
            assert gap(found[1][name], value, max(largest(value), 1e-3)) < 1e-9, name


def test_no_backward_pass_goes_below_the_lowest_trained_part():
    """torch keeps no graph there, and TensorFlow's step has two products less for each that lies there."""
    whole, part = small(), small('training.freeze=["embeddings", "encoder.layers.0"]')
    model = training_model("torch", part.graph(), part.training)
    layers = model.model.encoder.layers
    found = []
    for layer in layers:
        layer.register_forward_hook(lambda module, given, gave: found.append(gave.requires_grad))
    given = batch(open_dataset(part, None, "train"), 0, 0, 4)
    train_on(model, part.graph(), part.training, given, 0)
    assert found == [False] + [True] * (len(layers) - 1)
    assert all(value.grad is None for value in model.model.parameters())
    assert not [name for name in model.optimizer.state() if name.startswith("encoder.layers.0.")]

    def products(spec):
        made = training_model("tf", spec.graph(), spec.training)
        train_on(made, spec.graph(), spec.training, given, 0)
        (step,) = made._functions.values()
        (traced,) = step._list_all_concrete_functions()
        names = [each.type for each in traced.graph.get_operations()]
        return sum(name in ("MatMul", "BatchMatMulV2", "Einsum") for name in names)

    layer = next(row for row in whole.graph().cost(batch=4).blocks if row.name == "encoder.layers.0")
    # The next layer's four first products have no gradient of their input, for nothing before it is trained.
    assert products(whole) - products(part) >= 2 * layer.kernels
