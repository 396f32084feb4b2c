"""Both frameworks start from the same weights, bit for bit, and hand them to each other unchanged."""

from __future__ import annotations

import numpy as np
import pytest

import zoo_tf
import zoo_torch
from small_models import assert_same, cases, probe_weights, small_spec
from zoo_spec import load_spec
from zoo_spec.initializers import Constant, Ones, Zeros


@pytest.fixture(params=cases())
def graph(request):
    return small_spec(request.param).graph()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_one_seed_gives_the_same_bits_in_both_and_from_the_table_in_any_order(graph, dtype):
    # The table is read backwards and alone: nothing depends on what was drawn before, or on a framework.
    table = reversed(graph.parameters().items())
    alone = {name: each.initializer.draw(7, name, each.shape).astype(dtype) for name, each in table}
    in_tf = zoo_tf.get_weights(zoo_tf.compile(graph, seed=7, dtype=dtype))
    in_torch = zoo_torch.get_weights(zoo_torch.compile(graph, seed=7, dtype=dtype))
    again = zoo_torch.get_weights(zoo_torch.compile(graph, seed=7, dtype=dtype))
    for weights in (in_tf, in_torch, again):
        assert_same(weights, alone, 0)


def test_another_seed_gives_other_values(graph):
    drawn = [
        name
        for name, parameter in graph.parameters().items()
        if not isinstance(parameter.initializer, Zeros | Ones | Constant)
    ]
    assert drawn
    for room in (zoo_tf, zoo_torch):
        first, second = (room.get_weights(room.compile(graph, seed=seed)) for seed in (0, 1))
        assert all(np.mean(first[name] == second[name]) < 0.01 for name in drawn)


def test_no_two_parameters_start_alike(graph):
    weights = zoo_torch.get_weights(zoo_torch.compile(graph, seed=0))
    drawn = {name: value for name, value in weights.items() if value.ndim > 1}
    assert len({value.tobytes() for value in drawn.values()}) == len(drawn)


def test_a_layer_starts_alike_in_a_deeper_model():
    name = next(name for name in cases() if "num_layers" in type(load_spec(name).model).model_fields)
    weights = [
        zoo_torch.get_weights(zoo_torch.compile(small_spec(name, f"model.num_layers={layers}").graph()))
        for layers in (1, 3)
    ]
    shallow, deep = weights
    assert len(deep) > len(shallow)
    assert_same({each: deep[each] for each in shallow}, shallow, 0)


def test_weights_go_from_one_framework_to_the_other_and_back_unchanged(graph):
    probe = probe_weights(graph)
    torch_model, keras_model = zoo_torch.compile(graph, seed=1), zoo_tf.compile(graph, seed=2)
    zoo_torch.set_weights(torch_model, probe)
    zoo_tf.set_weights(keras_model, zoo_torch.get_weights(torch_model))
    assert_same(zoo_tf.get_weights(keras_model), probe, 0)
    other = zoo_torch.compile(graph, seed=3)
    zoo_torch.set_weights(other, zoo_tf.get_weights(keras_model))
    assert_same(zoo_torch.get_weights(other), probe, 0)


def test_weights_that_were_got_are_copies(graph):
    for room in (zoo_tf, zoo_torch):
        model = room.compile(graph, seed=0)
        weights = room.get_weights(model)
        before = {name: value.copy() for name, value in weights.items()}
        for value in weights.values():
            value += 1
        assert_same(room.get_weights(model), before, 0)


@pytest.mark.parametrize("room", [zoo_tf, zoo_torch])
def test_weights_may_be_tensors_of_any_width_and_arrays_in_any_byte_order(room):
    spec = load_spec("mnist_fc", ["model.image_size=[4, 4]"])
    source = zoo_torch.compile(spec, seed=1)
    expected = zoo_torch.get_weights(source)
    model = room.compile(spec, seed=0)
    room.set_weights(model, dict(source.named_parameters()))
    assert_same(room.get_weights(model), expected, 0)
    room.set_weights(model, {name: (value * 2).astype(">f8") for name, value in expected.items()})
    assert_same(room.get_weights(model), {name: value * 2 for name, value in expected.items()}, 0)
    half = {name: value.bfloat16() for name, value in source.state_dict().items()}
    room.set_weights(model, half)
    assert_same(room.get_weights(model), {name: value.float().numpy() for name, value in half.items()}, 0)
