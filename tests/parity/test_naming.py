"""What a report names: the guilty block of two recordings, and the framework that a third opinion speaks against."""

from __future__ import annotations

import numpy as np
import pytest

from models import training_model
from zoo_common.backend import BlockCall, State
from zoo_common.data import open_dataset
from zoo_common.parity import opinions, tolerances
from zoo_common.parity.bench import Bench
from zoo_common.parity.compare import output_gap
from zoo_common.parity.guilt import find_guilty
from zoo_common.parity.naming import by_port
from zoo_common.parity.naming_steps import name_resumed, name_statistics, name_steps, name_training
from zoo_common.parity.opinions.base import opinion
from zoo_common.parity.opinions.optimizers import advance
from zoo_common.parity.suite import run_parity
from zoo_spec import load_spec
from zoo_spec.blocks.base import Block
from zoo_spec.registry import classes
from zoo_spec.shrink import shrunk

ONE, OTHER, THIRD = (np.full((2, 3), value) for value in (1.0, 2.0, 3.0))
LIMIT = 1e-10


def call(path, given, gave, **named):
    return BlockCall(path, (given,), named, {"": gave})


def guilty(ours, theirs):
    return find_guilty(ours, theirs, LIMIT)


def test_a_block_that_is_given_the_same_and_gives_something_else_is_guilty():
    ours = [call("a.inner", ONE, ONE), call("a", ONE, ONE), call("b", ONE, ONE)]
    theirs = [call("a.inner", ONE, OTHER), call("a", ONE, OTHER), call("b", OTHER, OTHER)]
    assert guilty(ours, theirs).pair.path == "a.inner"
    assert guilty(ours, ours) is None


def test_a_block_that_hands_something_else_to_an_inner_one_is_guilty_itself():
    ours = [call("a.b.dropout", ONE, ONE), call("a.b", ONE, ONE), call("a", ONE, ONE)]
    theirs = [call("a.b.dropout", OTHER, OTHER), call("a.b", ONE, OTHER), call("a", ONE, OTHER)]
    found = guilty(ours, theirs)
    assert (found.pair.path, found.witness.path) == ("a.b", "a.b.dropout")


def test_who_does_not_hand_an_optional_input_on_is_guilty():
    ours = [call("a.b", ONE, ONE, positions=ONE), call("a", ONE, ONE, positions=ONE)]
    theirs = [call("a.b", ONE, OTHER), call("a", ONE, OTHER, positions=ONE)]
    assert guilty(ours, theirs).pair.path == "a"


def test_an_input_that_makes_no_difference_accuses_nobody():
    ours = [call("a.b", ONE, ONE, positions=ONE), call("a", ONE, ONE, positions=ONE)]
    theirs = [call("a.b", ONE, ONE), call("a", ONE, ONE, positions=ONE)]
    assert guilty(ours, theirs) is None


def test_a_node_that_the_graph_itself_gives_something_else_is_no_guilty_block():
    found = guilty([call("a", ONE, ONE)], [call("a", OTHER, OTHER)])
    assert (found.pair.path, found.is_wiring) == ("a", True)


def test_the_second_run_of_a_shared_block_is_held_against_the_second():
    ours = [call("a", ONE, OTHER), call("a", OTHER, THIRD)]
    assert guilty(ours, list(ours)) is None
    found = guilty(ours, [ours[0], call("a", OTHER, ONE)])
    assert found.pair.number == 1


def test_every_kind_of_block_has_a_third_opinion():
    shipped = {cls for cls in classes(Block).values() if cls.__module__.startswith("zoo_spec.")}
    nobody = opinion.dispatch(object)
    assert len(shipped) > 60
    assert not {cls.__name__ for cls in shipped if opinion.dispatch(cls) is nobody}


@pytest.mark.parametrize("framework", ["torch", "tf"])
@pytest.mark.parametrize(
    "name",
    [
        "bert_tiny_squad",
        "gptj_tiny",
        "linformer_tiny_layerwise",
        "t5_v1_1_small",
        "hubert_tiny_ctc",
        "unet_tiny",
    ],
)
def test_the_third_opinion_is_each_frameworks_own_in_every_block(name, framework):
    spec = shrunk(load_spec(name, ["training.random=portable"]))
    bench = Bench(spec, spec.graph(), ("torch", "tf"), 1)
    backend = bench.backend(framework, "float64")
    batch = list(bench.inputs.values())[-1]
    for seed in (None, spec.training.seed):
        for run in backend.block_calls(batch, training=seed is not None):
            party = opinions.ThirdParty(bench.graph, bench.weights, training_seed=seed)
            wanted = party.say(run.path, by_port(party, run))
            assert output_gap(run.gave, wanted).value < 1e-11, (run.path, seed)


def test_what_is_inside_a_users_own_block_has_no_third_opinion():
    graph = shrunk(load_spec("mnist_fc")).graph()
    party = opinions.ThirdParty(graph, {})
    with pytest.raises(opinions.NoOpinionError, match=r"mine\.linear"):
        party.say("mine.linear", by_port(party, call("mine.linear", ONE, ONE)))


OPTIMIZERS = (
    "{kind: adamw, learning_rate: 0.01, weight_decay: 0.1, max_gradient_norm: 0.5}",
    "{kind: sgd, learning_rate: 0.01, momentum: 0.9, nesterov: true, weight_decay: 0.1}",
    "{kind: sgd, learning_rate: 0.01}",
)


@pytest.mark.parametrize("framework", ["torch", "tf"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_the_formula_of_an_optimizer_is_each_frameworks_own(optimizer, framework):
    spec = shrunk(load_spec("mnist_fc", [f"training.optimizer={optimizer}"]))
    graph = spec.graph()
    backend = training_model(framework, graph, spec.training)
    roles = {name: each.role for name, each in graph.parameters().items()}
    state = backend.export_state()
    for rate in (0.01, 0.03):
        gradients = {
            name: np.sin(np.arange(value.size)).reshape(value.shape) for name, value in state.weights.items()
        }
        backend.apply_gradients(gradients, rate)
        state = advance(spec.training.optimizer, state, gradients, roles, rate, dict.fromkeys(roles, 1.0))
    found = backend.export_state()
    assert output_gap(found.weights, state.weights).value < tolerances.STEP
    assert output_gap(found.optimizer, state.optimizer).value < tolerances.STEP


def test_where_nothing_parts_no_step_and_no_block_is_named():
    spec = shrunk(load_spec("mnist_fc", ["training.random=portable"]))
    bench = Bench(spec, spec.graph(), ("torch", "tf"), 1)
    zeros = {name: np.ones_like(value) for name, value in bench.weights.items()}
    empty = {
        f"{name}/{moment}": 0 * value
        for name, value in bench.weights.items()
        for moment in spec.training.optimizer.moments
    }
    for blame in (
        name_steps(bench, (0.01, 0.02), lambda number: zeros),
        name_training(bench, open_dataset(spec, None, "train")),
        name_resumed(bench, "tf", State(bench.weights, empty, 2), zeros, 0.01),
    ):
        assert (blame.block, blame.side) == ("", "")


@pytest.mark.parametrize("framework", ["torch", "tf"])
def test_a_block_without_a_third_opinion_is_named_and_the_framework_is_said_to_be_unknown(
    framework, monkeypatch
):
    monkeypatch.setattr(opinions.base, "opinion", opinion.dispatch(object))

    def prepare(backend):
        keep, name = backend.set_weights, "hidden_0.bias"
        if backend.name == framework:
            backend.set_weights = lambda given: keep({**given, name: given[name] + 1})

    report = run_parity(shrunk(load_spec("mnist_fc")), prepare=prepare, level="forward")
    last = report.levels[-1]
    assert (last.block, last.side) == ("hidden_0", "")
    assert "no third opinion on" in last.detail


def through_bfloat16(backend, path):
    """What a block gives loses half its width, under the name of float32."""
    if backend.name == "torch":
        import torch

        backend.model.get_submodule(path).register_forward_hook(
            lambda module, given, gave: gave.to(torch.bfloat16).to(gave.dtype), prepend=True
        )
    else:
        import tensorflow as tf

        from zoo_tf.blocks.base import named_layers

        target = dict(named_layers(backend.model))[path]
        keep = target.call
        object.__setattr__(target, "call", lambda x: tf.cast(tf.cast(keep(x), tf.bfloat16), x.dtype))


@pytest.mark.parametrize("framework", ["torch", "tf"])
def test_the_block_that_rounds_away_too_much_is_named_with_its_framework(framework):
    path = "encoder.layers.1.attention.value"

    def prepare(backend):
        if backend.name == framework and str(backend.dtype).endswith("float32"):
            through_bfloat16(backend, path)

    last = run_parity(shrunk(load_spec("bert_tiny")), prepare=prepare, level="forward").levels[-1]
    assert (last.dtype, last.side, last.block) == ("float32", framework, path), last.detail


@pytest.mark.parametrize("framework", ["torch", "tf"])
def test_a_batch_norm_that_keeps_other_statistics_is_named_with_its_framework(framework):
    spec = shrunk(load_spec("unet_tiny"))
    bench = Bench(spec, spec.graph(), ("torch", "tf"), 1)
    batch = bench.inputs["full"]
    backends = [bench.backend(name, "float64") for name in bench.frameworks]
    calls = [backend.block_calls(batch, training=True) for backend in backends]
    assert name_statistics(bench, backends, calls) is None
    strayed = backends[bench.frameworks.index(framework)]
    weights = strayed.export_state().weights
    name = next(name for name in weights if name.endswith("running_var"))
    strayed.set_weights({**weights, name: 1.001 * weights[name]})
    blame = name_statistics(bench, backends, calls)
    assert (f"{blame.block}.running_var", blame.side) == (name, framework)
