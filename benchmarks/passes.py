"""Passes over memory of one layer's training step that are no product: values read and written, a token and feature.

``python benchmarks/passes.py`` counts them by operation: in PyTorch as they are dispatched, in TensorFlow in the
graph that its rewriter leaves. A pass is ``tokens x hidden`` values, read or written; the weights' own, of the
optimizer and the gradients' norm, are left out. Nothing is timed, so it says the same on every machine.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import Counter
from collections.abc import Iterable

import numpy as np
from measure import Row, finish, in_process
from tf_graph import rewritten

TOKENS = 61
"""A prime that divides no weight's size, so that what is of tokens is told by its size."""
MOST = {
    ("gpt2_small", "torch"): 80,
    ("gpt2_small", "tf"): 200,
    ("bert_base", "torch"): 80,
    ("bert_base", "tf"): 200,
}
SETTINGS = (
    "model.dropout=0",
    "model.attention_dropout=0",
    "model.vocab_size=1000",
    "training.micro_batch_size=null",
    "training.batch_size=1",
)
PRODUCTS = {"mm", "addmm", "bmm", "baddbmm", "addmm_", "MatMul", "BatchMatMulV2", "_FusedMatMul"}
FREE = {
    *(
        "view",
        "_unsafe_view",
        "t",
        "transpose",
        "detach",
        "expand",
        "unsqueeze",
        "squeeze",
        "slice",
        "select",
    ),
    *("permute", "alias", "split", "as_strided", "empty", "empty_like", "new_empty", "unbind", "lift_fresh"),
    *(
        "Reshape",
        "Identity",
        "IdentityN",
        "Const",
        "Shape",
        "Placeholder",
        "ReadVariableOp",
        "NoOp",
        "Squeeze",
    ),
    *("ExpandDims", "StridedSlice", "Pack", "PartitionedCall"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=["torch", "tf"])
    given = parser.parse_args()
    rows = []
    for (name, framework), most in MOST.items():
        if given.only in (None, framework):
            found = in_process("passes.py", framework, name)
            print(f"\n{name}, {framework}: passes of a layer")
            for kind, passes in sorted(found.items(), key=lambda item: -item[1]):
                print(f"  {kind:<32}{passes:>8.1f}")
            rows.append(Row(f"passes of a layer, {name}, {framework}", sum(found.values()), most))
    print()
    finish(rows)


def case(framework: str, name: str) -> dict[str, float]:
    """The passes of a layer by operation: what two more layers make more."""
    one, three = ({"torch": _torch, "tf": _tensorflow}[framework](name, layers) for layers in (1, 3))
    hidden = 768
    found = {kind: (three[kind] - one[kind]) / 2 / (TOKENS * hidden) for kind in three}
    return {kind: passes for kind, passes in found.items() if passes > 0.05}


def _backend(framework: str, name: str, layers: int):
    from zoo_common.backend import find_backend
    from zoo_common.weights import InitialValues
    from zoo_spec import load_spec

    spec = load_spec(name, [*SETTINGS, f"model.num_layers={layers}"])
    graph, training = spec.graph(), spec.training
    weights = InitialValues(graph.parameters(), 0)
    backend = find_backend(framework)().for_training(graph, training, weights, dtype="float32", device="cpu")
    sizes = {"batch": 1, "sequence": TOKENS, "predictions": 5}
    shapes = {
        name: tuple(sizes.get(size, size) for size in graph.inputs[name].shape)
        for name in ("input_ids", *(part.labels for part in graph.loss_parts), *_needed(graph))
    }
    return backend, {name: np.zeros(shape, np.int32) for name, shape in shapes.items()}


def _needed(graph) -> list[str]:
    return [name for name in ("masked_positions",) if name in graph.inputs]


def _of_tokens(sizes: Iterable[int]) -> int:
    return sum(size for size in sizes if size % TOKENS == 0)


def _torch(name: str, layers: int) -> Counter[str]:
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils._pytree import tree_leaves

    backend, batch = _backend("torch", name, layers)
    found: Counter[str] = Counter()

    class Counting(TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            gave = function(*args, **(kwargs or {}))
            kind = function.overloadpacket.__name__
            if kind not in FREE | PRODUCTS:
                tensors = [x for x in tree_leaves((args, kwargs, gave)) if isinstance(x, torch.Tensor)]
                found[kind] += _of_tokens(tensor.numel() for tensor in tensors)
            return gave

    with Counting():
        backend.train_step([batch], None, 1e-3)
    return found


def _tensorflow(name: str, layers: int) -> Counter[str]:
    import tensorflow as tf

    backend, batch = _backend("tf", name, layers)
    inputs = {name: tf.TensorSpec(value.shape, value.dtype, name=name) for name, value in batch.items()}
    step = tf.function(backend._step, autograph=False)
    traced = step.get_concrete_function(inputs, {}, tf.TensorSpec((), tf.float64))
    found: Counter[str] = Counter()
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(rewritten(traced), name="")
        for operation in graph.get_operations():
            if operation.type not in FREE | PRODUCTS:
                tensors = [*operation.inputs, *operation.outputs]
                known = [each.shape for each in tensors if each.shape.is_fully_defined()]
                found[operation.type] += _of_tokens(shape.num_elements() for shape in known)
    return found


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    if sys.argv[1:] and sys.argv[1] in ("torch", "tf"):
        print(json.dumps(case(sys.argv[1], sys.argv[2])))
    else:
        main()
