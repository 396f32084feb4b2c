"""Puts a graph together, and checks it when it is whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from zoo_spec.blocks.base import Block
from zoo_spec.errors import Problem, SpecError
from zoo_spec.graph.graph import Graph
from zoo_spec.graph.loss_parts import PART_OUTPUTS, check_losses
from zoo_spec.graph.node_checks import by_port, check_shared, checked_node, inputs_path
from zoo_spec.graph.packing import check_packing
from zoo_spec.graph.windows import with_room_for_windows
from zoo_spec.graph.wiring import BlockPlace, Bound, Node, Ref
from zoo_spec.tensors import TensorSpec, Windows


class GraphBuilder:
    """Puts a graph together node by node, in order; families, tasks and composed specs all use it."""

    def __init__(self, name: str, family: str = "") -> None:
        """``family`` is the kind of the model that builds it; ``whose`` says so in messages."""
        self.name = name
        self.whose = f" (its model is {family})" if family else ""
        self.inputs: dict[str, TensorSpec] = {}
        self.nodes: dict[str, Node] = {}
        self.output_refs: dict[str, Ref] = {}
        self.labels: set[str] = set()
        self.bounds: dict[str, Bound] = {"batch": Bound()}
        self.head: set[str] = set()

    def input(
        self, name: str, spec: TensorSpec, *, label: bool = False, bounds: Mapping[str, int] | None = None
    ) -> Ref:
        """Declare an input; ``bounds`` gives the largest size of open dimensions that it brings.

        One that is there already must be the same, and is then shared. Raises SpecError if it is another, or
        if a node has that name.
        """
        if name in self.nodes:
            raise SpecError(_stands_for_both(name, f"model.nodes.{name}"))
        before = self.inputs.get(name)
        if before is not None and (before.shape, before.dtype) != (spec.shape, spec.dtype):
            raise SpecError(
                Problem(
                    f"input {name!r} is {before} {before.dtype}, but {spec} {spec.dtype} is needed under that name",
                    f"model.inputs.{name}",
                )
            )
        for dimension in spec.shape:
            if isinstance(dimension, str) and not isinstance(dimension, Windows):
                self.bounds.setdefault(dimension, Bound((bounds or {}).get(dimension)))
        self.inputs[name] = spec
        if label:
            self.labels.add(name)
        return Ref(name)

    def add(self, name: str, block: Block, *required: Ref, **optional: Ref | None) -> Ref:
        """Add a node; None stands for an optional port that is not connected."""
        ports = tuple(str(index) for index in range(len(required))) if block.variadic else block.required
        inputs = dict(zip(ports, required, strict=True))
        inputs.update({port: ref for port, ref in optional.items() if ref is not None})
        return self.place(name, block, inputs)

    def place(self, name: str, block: Block, inputs: Mapping[str, Ref], *, owner: str | None = None) -> Ref:
        """Add a node by its ports; ``owner`` names the node whose weights it shares."""
        owner = owner or name
        if name in self.nodes:
            raise SpecError(
                Problem(
                    f"{name!r} stands for two nodes, this one and the task's; give this one another name",
                    f"model.nodes.{name}",
                )
            )
        if name in self.inputs:
            raise SpecError(_stands_for_both(name, f"model.inputs.{name}"))
        inputs = by_port(name, block, inputs)
        specs = {port: self.resolve(ref, inputs_path(name)) for port, ref in inputs.items()}
        node = checked_node(name, block, inputs, specs, owner)
        if owner != name:
            check_shared(node, self.nodes[owner])
        self.nodes[name] = node
        return Ref(name)

    def resolve(self, ref: Ref, path: str = "") -> TensorSpec:
        """The tensor behind a reference to what has been added already."""
        if ref.source in self.inputs:
            if ref.output is None:
                return self.inputs[ref.source]
            message = f"{ref.source!r} is an input, and so has no outputs; write {ref.source!r} alone"
            raise SpecError(Problem(message, path))
        outputs = self.nodes[ref.source].outputs
        name = ref.output if ref.output is not None else next(iter(outputs))
        if name not in outputs:
            raise SpecError(
                Problem(f"{ref.source!r} has no output {name!r}; it has {', '.join(outputs)}", path)
            )
        return outputs[name]

    def output(self, name: str, ref: Ref) -> None:
        """Name an output of the graph; raises SpecError if the name stands for another one already."""
        self.resolve(ref, f"model.outputs.{name}")
        before = self.output_refs.get(name, ref)
        if self._full(before) != self._full(ref):
            raise SpecError(
                Problem(
                    f"output {name!r} is {str(before)!r} here, but {str(ref)!r} is to be given under that name; "
                    "give this one another name",
                    f"model.outputs.{name}",
                )
            )
        self.output_refs[name] = ref

    def _full(self, ref: Ref) -> Ref:
        """The reference with the name of the output that it means."""
        node = self.nodes.get(ref.source)
        return ref if node is None or ref.output else Ref(ref.source, next(iter(node.outputs)))

    def loss(self, ref: Ref) -> None:
        """Make this the graph's ``loss``, and give each part's loss, numerator and denominator by name."""
        self.output("loss", ref)
        for part in self._draft().loss_parts:
            for which in PART_OUTPUTS:
                self.output_refs.setdefault(f"{part.name}_{which}", Ref(part.node, which))

    def judged(self) -> set[str]:
        """The nodes whose outputs a part of the loss reads: the heads of a graph that brings its own loss."""
        read = {
            ref.source for part in self._draft().loss_parts for ref in self.nodes[part.node].inputs.values()
        }
        return read & set(self.nodes)

    def finish(self) -> Graph:
        """The finished graph; raises SpecError if a node or an input reaches no output, or windows fit nowhere."""
        self.bounds = with_room_for_windows(self.bounds, self.nodes)
        graph = self._draft()
        _check_used(graph)
        check_losses(graph.inputs, graph.nodes, graph.output_refs)
        check_packing(graph.inputs, graph.folded())
        return graph

    def folded(self) -> Iterator[BlockPlace]:
        """The blocks that have been added, as ``Graph.folded`` gives them."""
        yield from self._draft().folded()

    def _draft(self) -> Graph:
        return Graph(
            self.name,
            dict(self.inputs),
            dict(self.nodes),
            dict(self.output_refs),
            frozenset(self.labels),
            dict(self.bounds),
            frozenset(self.head),
        )


def _check_used(graph: Graph) -> None:
    """Raise SpecError, with each of them, if a node or an input reaches no output."""
    reached = _reached(graph)
    read = {ref.source for name in reached for ref in graph.nodes[name].inputs.values()}
    read |= {ref.source for ref in graph.output_refs.values()}
    dead = [
        Problem(f"node {name!r} reaches no output; use it, or leave it out", f"model.nodes.{name}")
        for name in graph.nodes
        if name not in reached
    ]
    dead += [
        Problem(f"input {name!r} is read by no node; use it, or leave it out", f"model.inputs.{name}")
        for name in graph.inputs
        if name not in read
    ]
    if dead:
        raise SpecError(dead)


def _reached(graph: Graph) -> set[str]:
    waiting = [ref.source for ref in graph.output_refs.values()]
    reached: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in graph.nodes and name not in reached:
            reached.add(name)
            waiting += [ref.source for ref in graph.nodes[name].inputs.values()]
    return reached


def _stands_for_both(name: str, path: str) -> Problem:
    return Problem(f"{name!r} stands for an input and a node, one of them the task's; rename this one", path)
