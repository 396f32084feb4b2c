"""From a spec to a native ``keras.Model``."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator

import keras
from keras.src.backend.common import global_state

from zoo_common.weights import InitialValues, WeightSource
from zoo_spec.blocks.base import Outputs
from zoo_spec.errors import InputError
from zoo_spec.experiment import ExperimentSpec
from zoo_spec.graph import Graph, Ref
from zoo_spec.plugins import tell_broken_halves
from zoo_spec.tensors import TensorSpec
from zoo_tf.blocks.build import build
from zoo_tf.container import GraphInput, GraphModel, GraphNode, Source, build_functional
from zoo_tf.precision import native_dtype
from zoo_tf.weights import fill, without_memory

POLICIES = {"float32": "float32", "float64": "float64", "bfloat16": "mixed_bfloat16"}
"""Keras' dtype policy for each compute dtype."""


def compile(spec: ExperimentSpec | Graph, seed: int = 0, dtype: str | None = None) -> GraphModel:
    """The native model of a spec, with initial values drawn from ``seed``.

    ``model({name: tensor})`` takes the graph's inputs by name and gives ``{output name: tensor}``. The same
    seed gives the same weights, bit for bit, as ``zoo_torch.compile``. ``dtype`` is ``"float32"``,
    ``"float64"`` or ``"bfloat16"``: products and activations are then bfloat16, and parameters, norms, softmax
    and losses float32. Left out, it is that of Keras' global policy, ``float32`` unless the user set another. Raises
    SpecError if the spec does not make a graph, and InputError for a policy or a scope that it cannot obey.
    """
    dtype = _dtype_of_policy() if dtype is None else dtype
    if dtype not in POLICIES:
        raise ValueError(f"dtype {dtype!r} is not one of {', '.join(POLICIES)}")
    graph = spec if isinstance(spec, Graph) else spec.graph()
    return compiled(graph, InitialValues(graph.parameters(), seed), dtype)


def compiled(graph: Graph, weights: WeightSource, dtype: str, without: Collection[str] = ()) -> GraphModel:
    """As ``compile``, with these weights; those ``without`` have no values, and their layers cannot run."""
    with policy(POLICIES[dtype]), without_memory():
        model = _assemble(graph, dtype)
    tell_broken_halves("tf")
    if any(getattr(layer, "_remat_mode", None) is not None for layer in model.layers):
        raise InputError(
            "keras.RematScope knows no optional inputs, and most blocks have some: compile outside of it, and "
            "call zoo_tf.recompute.recompute_layers(model, spec.graph()) on it"
        )
    fill(model, weights, without)
    return model


def _dtype_of_policy() -> str:
    """The dtype whose policy is the global one, which ``set_dtype_policy`` or ``set_floatx`` made."""
    # Keras' own getter would make the policy of now the global one, and set_floatx idle from then on.
    policy = global_state.get_global_attribute("dtype_policy")
    name = keras.config.floatx() if policy is None else policy.name
    for dtype, policy in POLICIES.items():
        if policy == name:
            return dtype
    raise InputError(
        f"Keras' global dtype policy is {name!r}, and models are compiled for {', '.join(POLICIES.values())}: "
        f"set one of these, or give compile() a dtype ({', '.join(POLICIES)})"
    )


def _assemble(graph: Graph, dtype: str) -> GraphModel:
    layers: dict[str, keras.layers.Layer] = {}
    nodes = []
    for node in graph.nodes.values():
        if node.owner == node.name:
            layers[node.name] = build(node.block, node.specs)
        required = [_source(graph, node.inputs[port]) for port in node.required]
        optional = {
            port: _source(graph, ref) for port, ref in node.inputs.items() if port not in node.required
        }
        outputs = _outputs(node.outputs, dtype)
        nodes.append(GraphNode(node.name, layers[node.owner], required, optional, outputs))
    inputs = [_input(name, spec, dtype) for name, spec in graph.inputs.items()]
    sources = {name: _source(graph, ref) for name, ref in graph.output_refs.items()}
    return build_functional(nodes, inputs, sources, graph.name)


def _source(graph: Graph, ref: Ref) -> Source:
    node = graph.nodes.get(ref.source)
    if node is None or len(node.outputs) == 1:
        return ref.source
    return ref.source, ref.output or next(iter(node.outputs))


def _outputs(specs: Outputs, dtype: str) -> keras.KerasTensor | dict[str, keras.KerasTensor]:
    """What a native block gives: a tensor, or several by name."""
    tensors = {
        name: keras.KerasTensor(_shape(spec), native_dtype(spec.dtype, dtype)) for name, spec in specs.items()
    }
    return tensors if len(tensors) > 1 else next(iter(tensors.values()))


def _input(name: str, spec: TensorSpec, dtype: str) -> GraphInput:
    return GraphInput(name, _shape(spec), native_dtype(spec.dtype, dtype), spec.optional)


def _shape(spec: TensorSpec) -> tuple[int | None, ...]:
    return tuple(size if isinstance(size, int) else None for size in spec.shape)


@contextlib.contextmanager
def policy(name: str) -> Iterator[None]:
    """Keras' global dtype policy, which layers take when they are made, for as long as it lasts."""
    # None where the user set none: then it follows set_floatx, which one that was set would not.
    before = global_state.get_global_attribute("dtype_policy")
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        global_state.set_global_attribute("dtype_policy", before)
