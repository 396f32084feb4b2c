"""From a spec to a native ``keras.Model``."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import keras

from zoo_spec.experiment import ExperimentSpec
from zoo_spec.graph import Graph, Ref
from zoo_spec.tensors import INT, TensorSpec
from zoo_tf.blocks.build import build
from zoo_tf.container import GraphInput, GraphModel, GraphNode, Source, build_functional
from zoo_tf.weights import initialize

DTYPES = ("float32", "float64")


def compile(spec: ExperimentSpec | Graph, seed: int = 0, dtype: str = "float32") -> GraphModel:
    """The native model of a spec, with initial values drawn from ``seed``.

    ``model({name: tensor})`` takes the graph's inputs by name and gives ``{output name: tensor}``. The same
    seed gives the same weights, bit for bit, as ``zoo_torch.compile``. ``dtype`` is ``"float32"`` or
    ``"float64"``. Raises SpecError if the spec does not make a graph.
    """
    if dtype not in DTYPES:
        raise ValueError(f"dtype {dtype!r} is not one of {', '.join(DTYPES)}")
    graph = spec if isinstance(spec, Graph) else spec.graph()
    with _policy(dtype):
        model = _assemble(graph, dtype)
    initialize(model, graph, seed)
    return model


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
        nodes.append(GraphNode(node.name, layers[node.owner], required, optional))
    inputs = [_input(name, spec, dtype) for name, spec in graph.inputs.items()]
    outputs = {name: _source(graph, ref) for name, ref in graph.output_refs.items()}
    return build_functional(nodes, inputs, outputs, graph.name)


def _source(graph: Graph, ref: Ref) -> Source:
    node = graph.nodes.get(ref.source)
    if node is None or len(node.outputs) == 1:
        return ref.source
    return ref.source, ref.output or next(iter(node.outputs))


def _input(name: str, spec: TensorSpec, dtype: str) -> GraphInput:
    shape = tuple(size if isinstance(size, int) else None for size in spec.shape)
    return GraphInput(name, shape, spec.dtype if spec.dtype == INT else dtype, spec.optional)


@contextlib.contextmanager
def _policy(dtype: str) -> Iterator[None]:
    """Keras' global dtype policy, which layers take when they are made, for as long as it lasts."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(dtype)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
