"""No name that an author may write meets one that either framework's generated model has for itself."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import zoo_tf
import zoo_torch
from zoo_spec.experiment import ExperimentSpec

TAKEN = (
    # Node after node, in the order of a chain; each once made a helper, a local variable or a layer of its own.
    *(
        "a__h",
        "a_zoo_torch_presence_h",
        "zoo_torch_presence_pick",
        "a_module",
        "a",
        "pick",
        "cast",
        "present",
    ),
    *(
        "if_present",
        "outputs",
        "outputs_1",
        "getitem",
        "operator_getitem",
        "torch",
        "device",
        "inf",
        "builtins",
    ),
    *("mask", "layers", "optimizer", "keras_tensor", "functional", "dense", "dense_1", "kernel", "weights"),
)


@pytest.mark.parametrize("dtype", ["float64", "bfloat16"])
def test_every_node_computes_with_its_own_weights_whatever_it_is_called(dtype):
    before = dict(zip(TAKEN, ("x", *TAKEN), strict=False))
    nodes = {name: {"block": {"kind": "dense", "size": 3}, "inputs": before[name]} for name in TAKEN}
    nodes["loss_of"] = {"block": {"kind": "softmax_cross_entropy"}, "inputs": ("weights", "labels")}
    inputs = {"x": {"shape": ("batch", 3)}, "labels": {"shape": ("batch",), "dtype": "int32", "label": True}}
    outputs = {**{name: name for name in TAKEN}, "loss": "loss_of"}
    model = {"kind": "graph", "inputs": inputs, "nodes": nodes, "outputs": outputs}
    graph = ExperimentSpec.model_validate({"model": model, "task": {"kind": "representation"}}).graph()
    rng = np.random.default_rng(0)
    # Signed permutations and integers, so that bfloat16 is exact too.
    weights = {name: np.zeros(parameter.shape, np.float32) for name, parameter in graph.parameters().items()}
    for name in TAKEN:
        weights[f"{name}.weight"][np.arange(3), rng.permutation(3)] = rng.choice([-1, 1], 3)
        weights[f"{name}.bias"][:] = rng.integers(-3, 4, 3)
    x = rng.integers(-3, 4, (2, 3)).astype(np.float32)
    expected = {"x": x}
    for name in TAKEN:
        expected[name] = expected[before[name]] @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]
    in_torch, in_tf = zoo_torch.compile(graph, dtype=dtype), zoo_tf.compile(graph, dtype=dtype)
    zoo_torch.set_weights(in_torch, weights)
    zoo_tf.set_weights(in_tf, weights)
    found = in_torch(x=torch.from_numpy(x).double() if dtype == "float64" else torch.from_numpy(x))
    for name in TAKEN:
        np.testing.assert_array_equal(found[name].detach().float().numpy(), expected[name], err_msg=name)
        np.testing.assert_array_equal(
            np.asarray(in_tf({"x": x})[name], np.float32), expected[name], err_msg=name
        )
