"""A pass over a model whose layers are elsewhere: what TensorFlow computes between the calls of its units.

The pass is traced once, as one graph in which what a unit gives is a placeholder. That graph is cut at the calls:
what must be known before a call is a function of its own, compiled by TensorFlow. So a pass is a list, functions and
calls by turns, which can be run for several micro-batches side by side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from zoo_tf.streaming_calls import Traced

Tensors = Sequence[tf.Tensor]
Given = list[list[tf.Tensor]]
"""Tensors by micro-batch."""


@dataclass(frozen=True, eq=False)
class Call:
    """One call of a unit; its tensors are of the traced graph."""

    given: Tensors
    gave: Tensors


@dataclass(frozen=True, eq=False)
class _Part:
    """A function between two calls, what it is given and what it gives; None if there is nothing to compute."""

    function: Traced | None
    given: list[tf.Tensor]
    gave: list[tf.Tensor]


class Program:
    """A traced pass: ``trace(*arguments)`` on tensors of this signature, during which ``calls`` grows."""

    def __init__(self, trace: Callable[..., Any], signature: Sequence[Any], calls: list[Call]) -> None:
        def traced(*arguments: Any) -> None:
            self._inputs = tf.nest.flatten(arguments)
            self._results = trace(*arguments)

        self._inputs: list[tf.Tensor] = []
        self._results: Any = None
        graph = tf.function(traced, autograph=False, input_signature=signature).get_concrete_function().graph
        self._graph = graph  # Its variables' handles live as long as it does.
        self.calls = tuple(calls)
        cut = _Cut(graph, self._inputs, self.calls, tf.nest.flatten(self._results))
        self._parts = cut.parts()
        self._last_uses = self._count_uses()

    def run(
        self, arguments: Sequence[list[Any]], perform: Callable[[Any, Given], Sequence[Tensors]]
    ) -> list[Any]:
        """The results for each micro-batch, in order; ``perform`` makes a call, once for all of them.

        The lists in ``arguments`` are empty afterwards, so that each tensor is let go of after its last use.
        """
        kept = [
            dict(zip((each.name for each in self._inputs), tf.nest.flatten(given), strict=True))
            for given in arguments
        ]
        for given in arguments:
            given.clear()
        for place in range(len(self._parts)):
            self._run_part(place, kept)
            if place < len(self.calls):
                self._make_call(place, kept, perform)
        return [
            tf.nest.map_structure(lambda tensor, values=values: values[_source(tensor).name], self._results)
            for values in kept
        ]

    def _run_part(self, place: int, kept: list[dict[str, tf.Tensor]]) -> None:
        part = self._parts[place]
        if part.function is not None:
            for values in kept:
                found = part.function(self._take(values, part.given, 2 * place))
                self._keep(values, part.gave, found, 2 * place)

    def _make_call(
        self,
        place: int,
        kept: list[dict[str, tf.Tensor]],
        perform: Callable[[Any, Given], Sequence[Tensors]],
    ) -> None:
        call = self.calls[place]
        of_all = [self._take(values, call.given, 2 * place + 1) for values in kept]
        for values, found in zip(kept, perform(call, of_all), strict=True):
            self._keep(values, call.gave, found, 2 * place + 1)

    def _count_uses(self) -> dict[str, int]:
        """When each tensor is used for the last time: parts count by even numbers, calls by odd ones."""
        last: dict[str, int] = {}
        for place, part in enumerate(self._parts):
            last.update((tensor.name, 2 * place) for tensor in part.given)
            if place < len(self.calls):
                last.update((_source(tensor).name, 2 * place + 1) for tensor in self.calls[place].given)
        last.update((_source(tensor).name, 2 * len(self._parts)) for tensor in tf.nest.flatten(self._results))
        return last

    def _take(self, values: dict[str, tf.Tensor], wanted: Tensors, now: int) -> list[tf.Tensor]:
        """These values, which are held no longer if this is their last use."""
        keys = [_source(tensor).name for tensor in wanted]
        found = [values[key] for key in keys]
        for key in keys:
            if self._last_uses[key] == now:
                values.pop(key, None)
        return found

    def _keep(
        self, values: dict[str, tf.Tensor], names: Tensors, found: Iterable[tf.Tensor], now: int
    ) -> None:
        for tensor, value in zip(names, found, strict=True):
            if self._last_uses.get(tensor.name, -1) > now:
                values[tensor.name] = value


class _Cut:
    """Cuts a graph at its calls. Each operation runs as early as it can, so that what is large is soon let go."""

    def __init__(self, graph: tf.Graph, inputs: Tensors, calls: Sequence[Call], results: Tensors) -> None:
        self.graph = graph
        self.calls = calls
        self.results = [_source(tensor) for tensor in results]
        self.captured = {inner.name: outer for outer, inner in graph.captures}
        self.place = {tensor.op.name: 0 for tensor in inputs}
        for number, call in enumerate(calls, 1):
            self.place |= {tensor.op.name: number for tensor in call.gave}
        self.operations = self._needed()

    def parts(self) -> list[_Part]:
        """A function before each call, and one after the last."""
        count = len(self.calls) + 1
        inside: list[list[tf.Operation]] = [[] for _ in range(count)]
        for operation in self.operations:
            inside[self.place[operation.name]].append(operation)
        given = [self._given(operations) for operations in inside]
        wanted = [self._sources(call.given) for call in self.calls] + [self.results]
        used = {tensor.name for tensors in (*given, *wanted) for tensor in tensors}
        return [self._part(operations, needs, used) for operations, needs in zip(inside, given, strict=True)]

    def _needed(self) -> list[tf.Operation]:
        """The operations that a call, a result or an effect depends on, in order, each with its place."""
        roots = [tensor for call in self.calls for tensor in call.given]
        waiting = [_source(tensor).op for tensor in roots] + [tensor.op for tensor in self.results]
        waiting += list(self.graph.control_outputs)
        found: set[str] = set()
        while waiting:
            operation = waiting.pop()
            if operation.name not in found:
                found.add(operation.name)
                waiting += _before(operation)
        needed = []
        for operation in self.graph.get_operations():
            is_given = operation.name in self.place or any(
                each.name in self.captured for each in operation.outputs
            )
            if operation.name in found and not is_given:
                before = [self.place.get(each.name, 0) for each in _before(operation)]
                self.place[operation.name] = max(before, default=0)
                needed.append(operation)
        return needed

    def _given(self, operations: list[tf.Operation]) -> list[tf.Tensor]:
        """What these read that is computed elsewhere; a constant they have for themselves."""
        own = {operation.name for operation in operations}
        found: dict[str, tf.Tensor] = {}
        for operation in operations:
            for tensor in self._sources(operation.inputs):
                if not (tensor.op.name in own or tensor.name in self.captured or tensor.op.type == "Const"):
                    found[tensor.name] = tensor
        return list(found.values())

    def _sources(self, tensors: Iterable[tf.Tensor]) -> list[tf.Tensor]:
        return [_source(tensor) for tensor in tensors]

    def _part(self, operations: list[tf.Operation], given: list[tf.Tensor], used: set[str]) -> _Part:
        own = [output for operation in operations for output in operation.outputs]
        gave = [output for output in own if output.name in used]
        if not gave and not any(operation in self.graph.control_outputs for operation in operations):
            return _Part(None, [], [])

        def run(*values: tf.Tensor) -> list[tf.Tensor]:
            names = [tensor.name for tensor in given]
            return self._copy(operations, dict(zip(names, values, strict=True)), gave)

        signature = [tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in given]
        return _Part(Traced(tf.function(run, autograph=False, input_signature=signature)), given, gave)

    def _copy(
        self, operations: list[tf.Operation], values: dict[str, tf.Tensor], gave: list[tf.Tensor]
    ) -> list[tf.Tensor]:
        """These operations anew, in the graph that is being traced."""
        definition = tf.compat.v1.GraphDef()
        definition.versions.CopyFrom(self.graph.as_graph_def().versions)
        definition.library.CopyFrom(self.graph.as_graph_def().library)
        own = {operation.name for operation in operations}
        given: dict[str, tf.Tensor] = {}
        for operation in operations:
            for tensor in self._sources(operation.inputs):
                if tensor.op.type == "Const" and tensor.op.name not in own:
                    own.add(tensor.op.name)
                    definition.node.add().CopyFrom(tensor.op.node_def)
                    del definition.node[-1].input[:]
            node = definition.node.add()
            node.CopyFrom(operation.node_def)
            node.attr.pop("_class", None)
            del node.input[:]
            for tensor in self._sources(operation.inputs):
                node.input.append(self._name(tensor, own, values, given, definition))
            node.input.extend(f"^{each.name}" for each in operation.control_inputs if each.name in own)
        return tf.graph_util.import_graph_def(
            definition, input_map=given, return_elements=[tensor.name for tensor in gave], name="part"
        )

    def _name(
        self,
        tensor: tf.Tensor,
        own: set[str],
        values: dict[str, tf.Tensor],
        given: dict[str, tf.Tensor],
        definition: tf.compat.v1.GraphDef,
    ) -> str:
        """What a copied operation calls its input: an operation beside it, or a stand-in for what is given."""
        if tensor.name not in values and tensor.name not in self.captured:
            assert tensor.op.name in own
            return tensor.name
        name = f"given/{tensor.op.name}/{tensor.value_index}"
        if f"{name}:0" not in given:
            definition.node.add(name=name, op="Placeholder").attr[
                "dtype"
            ].type = tensor.dtype.as_datatype_enum
            value = values.get(tensor.name)
            if value is None:
                value = tf.compat.v1.get_default_graph().capture(self.captured[tensor.name])
            given[f"{name}:0"] = value
        return f"{name}:0"


def _source(tensor: tf.Tensor) -> tf.Tensor:
    """The tensor itself, or what it is the same as."""
    while tensor.op.type in ("Identity", "IdentityN") and not tensor.op.control_inputs:
        tensor = tensor.op.inputs[tensor.value_index]
    return tensor


def _before(operation: tf.Operation) -> list[tf.Operation]:
    """What an operation waits for."""
    return [_source(tensor).op for tensor in operation.inputs] + list(operation.control_inputs)
