"""Activation recomputation changes what a step holds in memory, and nothing that it gives."""

from __future__ import annotations

import numpy as np
import pytest

from distinct import SMALLER, small
from models import training_model
from zoo_common.data import batch, open_dataset
from zoo_common.memory import training_bytes
from zoo_common.parity.suite import run_parity
from zoo_common.training.loop import train_on
from zoo_spec import load_spec
from zoo_spec.errors import EnvironmentFault, SpecError
from zoo_spec.experiment import ExperimentSpec
from zoo_spec.shrink import shrunk

each_framework = pytest.mark.parametrize("framework", ["torch", "tf"])
ON = "training.recompute=true"
DROPS = ("model.dropout=0.1", "model.attention_dropout=0.1")


def trained(framework: str, recompute: bool, *overrides: str, steps: int = 3):
    """A small BERT, trained in float64 with dropout, and its weights by name."""
    spec = shrunk(
        load_spec("bert_tiny", [f"training.recompute={str(recompute).lower()}", *DROPS, *overrides])
    )
    graph, training = spec.graph(), spec.training.model_copy(update={"batch_size": 8})
    dataset, backend = open_dataset(spec, None, "train"), training_model(framework, graph, training)
    for index in range(steps):
        train_on(backend, graph, training, batch(dataset, 0, index, 8), index)
    return backend, backend.export_state().weights


@each_framework
@pytest.mark.parametrize(("random", "micro"), [("native", "4"), ("portable", "null")])
def test_the_weights_after_training_with_dropout_are_the_same(framework, random, micro):
    settings = (f"training.random={random}", f"training.micro_batch_size={micro}")
    _, plain = trained(framework, False, *settings)
    backend, again = trained(framework, True, *settings)
    assert plain.keys() == again.keys()
    for name, value in plain.items():
        if framework == "torch":
            assert np.array_equal(again[name], value), name
        else:
            # TensorFlow fuses the recomputed products another way, which sums them in another order.
            np.testing.assert_allclose(again[name], value, rtol=1e-12, atol=1e-14, err_msg=name)
    assert getattr(backend, "traces", 1) == 1


@each_framework
def test_each_layer_runs_once_more_on_the_way_back(framework, monkeypatch):
    """Were dropout's masks drawn afresh the weights would differ; were nothing recomputed, nothing be saved."""
    if framework == "torch":
        from zoo_torch.blocks.layer import PostNormLayer as Layer

        method = "forward"
    else:
        from zoo_tf.blocks.layer import PostNormLayer as Layer

        method = "call"
    calls = []
    original = getattr(Layer, method)

    def counted(self, *args, **kwargs):
        calls.append(1)
        return original(self, *args, **kwargs)

    monkeypatch.setattr(Layer, method, counted)
    found = []
    for recompute in (False, True):
        before = len(calls)
        trained(framework, recompute, steps=1)
        found.append(len(calls) - before)
    # torch runs each layer twice instead of once, TensorFlow traces it twice.
    assert found[1] - found[0] == shrunk(load_spec("bert_tiny")).model.num_layers


def test_other_masks_would_show(monkeypatch):
    from zoo_torch.blocks import layer

    monkeypatch.setattr(layer, "_SameMasks", lambda module, call: call)
    _, plain = trained("torch", False, "training.random=portable")
    _, again = trained("torch", True, "training.random=portable")
    assert any(not np.allclose(again[name], plain[name], rtol=1e-9) for name in plain)


def test_names_and_outputs_stay():
    spec = shrunk(load_spec("bert_tiny"))
    plain, again = (trained("torch", recompute, steps=0)[0] for recompute in (False, True))
    assert list(plain.model.state_dict()) == list(again.model.state_dict())
    examples = batch(open_dataset(spec, None, "train"), 0, 0, 4)
    ours, theirs = again.evaluate_step(examples), plain.evaluate_step(examples)
    assert all(np.array_equal(ours[name], theirs[name]) for name in theirs)


@pytest.mark.parametrize(
    ("name", "level", "sizes"),
    [("bert_tiny", "checkpoint", ("model.num_layers=1",)), ("causal_lm", "gradient", SMALLER["causal_lm"])],
)
def test_parity_holds_while_layers_are_recomputed(name, level, sizes):
    report = run_parity(small(name, ON, *sizes), level=level, steps=5)
    assert report.passed, report.as_json()


def test_a_layer_applied_twice_draws_two_masks_and_each_again():
    """Portable masks count their uses, and the way back goes through the uses in another order."""
    layer = {
        "kind": "post_norm_layer",
        "attention": {"kind": "attention", "num_heads": 2, "dropout": 0.2},
        "feed_forward": {"kind": "feed_forward", "size": 8, "activation": "gelu_erf"},
        "norm": {"kind": "layer_norm", "epsilon": 1e-5},
        "dropout": 0.2,
    }

    def weights(framework, recompute):
        twice = ExperimentSpec.model_validate(
            {
                "model": {
                    "kind": "graph",
                    "inputs": {
                        "x": {"shape": ("batch", 5, 6)},
                        "labels": {"shape": ("batch", 5), "dtype": "int32", "label": True},
                    },
                    "nodes": {
                        "once": {"block": layer, "inputs": "x"},
                        "again": {"like": "once", "inputs": "once"},
                        "classes": {"block": {"kind": "dense", "size": 3}, "inputs": "again"},
                        "class_loss": {
                            "block": {"kind": "softmax_cross_entropy"},
                            "inputs": ("classes", "labels"),
                        },
                    },
                    "outputs": {"logits": "classes", "loss": "class_loss"},
                },
                "task": {"kind": "representation"},
                "data": {"kind": "generated"},
                "training": {"random": "portable", "recompute": recompute},
            }
        )
        graph = twice.graph()
        backend = training_model(framework, graph, twice.training)
        for index in range(3):
            examples = batch(open_dataset(twice, None, "train"), 0, index, 4)
            train_on(backend, graph, twice.training.model_copy(update={"batch_size": 4}), examples, index)
        return backend.export_state().weights

    plain = weights("torch", False)
    for framework, recompute in (("torch", True), ("tf", False), ("tf", True)):
        found = weights(framework, recompute)
        for name, value in plain.items():
            np.testing.assert_allclose(found[name], value, rtol=1e-9, atol=1e-11, err_msg=name)


def test_a_graph_without_layers_has_nothing_to_recompute():
    with pytest.raises(
        SpecError, match=r"training\.recompute: recomputes transformer layers, and mnist_fc has"
    ):
        load_spec("mnist_fc", [ON]).graph()


@each_framework
def test_a_layer_that_cannot_recompute_is_refused_by_name(framework, monkeypatch):
    room = __import__(f"zoo_{framework}.recompute", fromlist=["Layer"])
    monkeypatch.setattr(room, "Layer", type("Other", (), {}))
    with pytest.raises(EnvironmentFault, match=r"'post_norm_layer' has a .* half that cannot recompute"):
        trained(framework, True, steps=0)


def test_the_cost_counts_the_second_forward_and_the_smaller_activations():
    spec = load_spec("bert_base")
    graph = spec.graph()
    plain, again = (
        graph.cost(recompute=recompute, batch=8, sequence=128, predictions=20) for recompute in (False, True)
    )
    rows = {row.name: row for row in again.blocks}
    before = {row.name: row for row in plain.blocks}
    layers = [name for name, row in rows.items() if row.kind == "post_norm_layer"]
    assert len(layers) == 12
    for name in layers:
        assert rows[name].training_flops * 3 == before[name].training_flops * 4
        assert rows[name].saved == 8 * 128 * 768  # Its input.
        assert rows[name].flops == before[name].flops
    assert again.flops == plain.flops
    inside = sum(rows[name].flops for name in layers)
    assert again.training_flops == plain.training_flops + inside
    assert plain.training_flops == 3 * plain.flops
    # What is left: twelve inputs, embeddings and heads; and one layer at a time.
    assert again.bytes["activations"] < 0.1 * plain.bytes["activations"]
    one = before[layers[0]].saved
    assert again.bytes["activations"] == plain.bytes["activations"] - 4 * 12 * (one - 8 * 128 * 768)
    assert (plain.bytes["recomputed"], again.bytes["recomputed"]) == (0, 4 * one)


def test_the_memory_of_bfloat16_has_float32_weights_and_half_the_activations():
    wide, half = (
        load_spec("bert_base", [f"training.precision={dtype}"]) for dtype in ("float32", "bfloat16")
    )
    one, two = (training_bytes(spec, spec.graph()) for spec in (wide, half))
    for name in ("weights", "gradients", "optimizer", "accumulated"):
        assert one[name] == two[name]
    assert one["copies"] == 0
    # Matrices, biases and the tied table, but no norm and no other table.
    table = half.graph().parameters()
    others = sum(
        parameter.size
        for name, parameter in table.items()
        if parameter.role == "norm" or name in ("embeddings.position.weight", "embeddings.token_type.weight")
    )
    assert two["copies"] == 2 * (half.graph().parameter_count - others)
    assert 0.5 * one["activations"] < two["activations"] < 0.75 * one["activations"]
