"""The products in a TensorFlow function's graph, as its rewriter leaves it, by how often each ran."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.framework.graph_pb2 import GraphDef
from tf_graph import rewritten

from bounds_parts import Clock, Products, Shape, convolution_flops

MATRIX = ("MatMul", "BatchMatMul")
CONVOLUTIONS = ("Conv1D", "Conv2D", "Conv3D", "DepthwiseConv2dNative")
HOST_DETAILS = 2
"""The profiler's level at which it names every operation."""

Sizes = tuple[int, ...]


@dataclass(frozen=True)
class Node:
    """A product, without its name: operation and attributes, what it reads and what it gives."""

    kind: str
    attributes: bytes
    inputs: tuple[tuple[Sizes, str], ...]
    output: Sizes

    @classmethod
    def of(cls, operation: tf.Operation) -> Node:
        tensors = [*operation.inputs, *operation.outputs[:1]]
        if not all(tensor.shape.is_fully_defined() for tensor in tensors):
            raise ValueError(f"{operation.name}: unknown sizes, {[tensor.shape for tensor in tensors]}")
        bare = GraphDef().node.add()
        bare.CopyFrom(operation.node_def)
        bare.name, bare.input[:] = "", []
        for attribute in [name for name in bare.attr if name.startswith("_")]:
            del bare.attr[attribute]
        bare.device = ""
        inputs = tuple((tuple(each.shape), each.dtype.name) for each in operation.inputs)
        attributes = bare.SerializeToString(deterministic=True)
        return cls(operation.type, attributes, inputs, tuple(operation.outputs[0].shape))

    def definition(self) -> Any:
        node = GraphDef().node.add()
        node.ParseFromString(self.attributes)
        return node

    @property
    def _is_convolution(self) -> bool:
        return self.kind.removeprefix("_Fused").startswith(CONVOLUTIONS)

    @property
    def flops(self) -> int:
        shapes = [shape for shape, _ in self.inputs]
        if self.kind == "Einsum":
            letters = self.definition().attr["equation"].s.decode().partition("->")[0].split(",")
            sizes = {
                key: size
                for part, shape in zip(letters, shapes, strict=True)
                for key, size in zip(part, shape, strict=True)
            }
            return 2 * prod(sizes.values())
        if self._is_convolution:
            if "BackpropFilter" in self.kind:
                return convolution_flops(shapes[2], self.output, self.output[-1])
            if "BackpropInput" in self.kind:
                return convolution_flops(shapes[2], shapes[1], shapes[1][-1])
            return convolution_flops(self.output, shapes[1], shapes[1][-1])
        return 2 * prod(self.output) * shapes[0][-2 if self._turned[0] else -1]

    @property
    def _turned(self) -> list[bool]:
        attributes = self.definition().attr
        return [
            any(attributes[f"{way}{side}"].b for way in ("transpose_", "adj_") for side in sides)
            for sides in ("ax", "by")
        ]

    def __str__(self) -> str:
        turned = [False, False] if self._is_convolution or self.kind == "Einsum" else self._turned
        shapes = [shape for shape, dtype in self.inputs if dtype != "int32"]
        marks = [*("T" if each else "" for each in turned), *[""] * len(shapes)]
        sizes = ("x".join(map(str, shape)) + mark for shape, mark in zip(shapes, marks, strict=False))
        return f"{self.kind} {' x '.join(sizes)}"


def is_product(kind: str) -> bool:
    """Whether operations of a kind multiply, by whichever library."""
    bare = kind.removeprefix("_Mkl").removeprefix("_").removeprefix("Native").removeprefix("Fused")
    return bare == "Einsum" or bare.startswith((*MATRIX, *CONVOLUTIONS))


def recorded(traced: Any, sizes: Mapping[str, Sizes], run: Callable[[], object]) -> Products:
    """The products of ``run``, which calls the concrete function once, with inputs of these sizes.

    Raises ValueError for one whose sizes cannot be told, or that ran and is not in the graph.
    """
    found, ran = operations(traced, sizes), executions(run)
    nodes = [
        Node.of(each)
        for name, times in _by_product(found, ran).items()
        for each in [found[name]] * times
        if not _is_of_a_vector(each)
    ]
    shapes = [Shape(str(node), count, node.flops, _timed(node)) for node, count in Counter(nodes).items()]
    return Products(program(nodes), shapes)


def operations(traced: Any, sizes: Mapping[str, Sizes]) -> dict[str, tf.Operation]:
    """A function's graph by name, each round of a loop once."""
    graph_def = rewritten(traced)
    rounds = {node.name for node in graph_def.node if node.op == "NextIteration"}
    for node in graph_def.node:
        if node.op == "Placeholder" and node.name in sizes:
            node.attr["shape"].shape.CopyFrom(tf.TensorShape(sizes[node.name]).as_proto())
        if node.op == "Enter" or (node.op == "Merge" and rounds & set(node.input)):
            # Whatever goes round a loop keeps the shape that it began with; entering it forgets the shape.
            node.op, node.input[:] = "Identity", [node.input[0]]
            for attribute in [name for name in node.attr if name != "T"]:
                del node.attr[attribute]
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(graph_def, name="")
        return {each.name: each for each in graph.get_operations()}


def _by_product(found: Mapping[str, tf.Operation], ran: Counter[str]) -> Counter[str]:
    """How often each product of the graph ran, in the graph's order."""
    times = Counter(ran)
    for name in ran:
        if name not in found:
            raise ValueError(f"{name} multiplied, and is not in the graph")
        if not is_product(found[name].type):
            # As it ran, it took along the product that it reads, and has the name of what came last.
            times[_read_by(found[name], ran).name] += times.pop(name)
    return Counter({name: times[name] for name in found if name in times})


def _read_by(operation: tf.Operation, ran: Counter[str]) -> tf.Operation:
    """The nearest product that it is computed from and that did not run by itself."""
    near = [operation]
    for each in near:
        if is_product(each.type) and each.name not in ran:
            return each
        near += [tensor.op for tensor in each.inputs]
    raise ValueError(f"{operation.name} multiplied, and no product leads to it")


def _is_of_a_vector(operation: tf.Operation) -> bool:
    is_matrix = operation.type.removeprefix("_Fused").startswith(MATRIX)
    return is_matrix and 1 in operation.outputs[0].shape[-2:]


def executions(run: Callable[[], object]) -> Counter[str]:
    """How often each product ran, by name, as the profiler saw it."""
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    found: Counter[str] = Counter()
    options = tf.profiler.experimental.ProfilerOptions(
        host_tracer_level=HOST_DETAILS, python_tracer_level=0, device_tracer_level=0
    )
    with TemporaryDirectory() as folder:
        with tf.profiler.experimental.Profile(folder, options):
            run()
        for path in Path(folder).rglob("*.xplane.pb"):
            space = xplane_pb2.XSpace.FromString(path.read_bytes())
            for plane in space.planes:
                for line in plane.lines:
                    for event in line.events:
                        name, _, kind = plane.event_metadata[event.metadata_id].name.rpartition(":")
                        if name and is_product(kind):
                            found[name] += 1
    return found


def program(nodes: Sequence[Node]) -> Callable[[], object]:
    """One function that runs these, each after the one before."""
    drawn: dict[tuple[Sizes, str, Any], tf.Tensor] = {}
    graph_def = GraphDef()
    for at, node in enumerate(nodes):
        new = graph_def.node.add()
        new.CopyFrom(node.definition())
        new.name = f"product_{at}"
        for place, (shape, dtype) in enumerate(node.inputs):
            value = node.output if dtype == "int32" else place
            key = (shape, dtype, value)
            if key not in drawn:
                drawn[key] = _tensor(shape, dtype, value)
            new.input.append(f"x_{list(drawn).index(key)}")
        if at:
            new.input.append(f"^product_{at - 1}")
    for index, tensor in enumerate(drawn.values()):
        given = graph_def.node.add(name=f"x_{index}", op="Placeholder")
        given.attr["dtype"].type = tensor.dtype.as_datatype_enum

    @tf.function(autograph=False)
    def whole(tensors: list[tf.Tensor]) -> tf.Tensor:
        gave = tf.import_graph_def(
            graph_def,
            input_map={f"x_{index}:0": tensor for index, tensor in enumerate(tensors)},
            return_elements=[f"product_{at}:0" for at in range(len(nodes))],
            name="",
        )
        # A value of each, without which the rewriter would leave it out.
        some = [
            tf.raw_ops.Slice(input=y, begin=[0] * len(node.output), size=[1] * len(node.output))
            for y, node in zip(gave, nodes, strict=True)
        ]
        return tf.add_n([tf.cast(tf.reshape(each, []), tf.float32) for each in some])

    given = list(drawn.values())
    return lambda: float(whole(given))


def _tensor(shape: Sizes, dtype: str, value: Any) -> tf.Tensor:
    if dtype == "int32":  # The sizes of what a convolution's gradient belongs to.
        return tf.constant(value, tf.int32)
    draw = np.random.default_rng(0).standard_normal(shape, np.float32)
    return tf.cast(draw, dtype)


def _timed(node: Node):
    def seconds(repeats: int, clock: Clock) -> float:
        run = program([node] * repeats)
        run()
        start = clock()
        run()
        return (clock() - start) / repeats

    return seconds
