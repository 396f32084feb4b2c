"""A graph of blocks: wiring, shape inference, the parameter table and the cost, with no framework."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from zoo_spec.blocks.base import Block, Inputs, ShapeError
from zoo_spec.blocks.layer import Layer
from zoo_spec.errors import Problem, SpecError
from zoo_spec.graph_cost import GraphCost, Held, graph_cost, narrowed
from zoo_spec.loss_parts import PART_OUTPUTS, check_losses, loss_parts
from zoo_spec.packing import check_packing
from zoo_spec.parameters import Parameter
from zoo_spec.tensors import TensorSpec, Windows
from zoo_spec.walk import descend, folded
from zoo_spec.windows import with_room_for_windows
from zoo_spec.wiring import BlockPlace, Bound, LossPart, Node, Ref, required_ports

__all__ = ["Bound", "Graph", "GraphBuilder", "LossPart", "Node", "Ref"]


@dataclass(frozen=True)
class Graph:
    """A checked graph. Nodes stand in an order in which they can run.

    ``labels`` are the inputs that no prediction needs; ``bounds`` limit the open dimensions.
    """

    name: str
    inputs: Mapping[str, TensorSpec]
    nodes: Mapping[str, Node]
    output_refs: Mapping[str, Ref]
    labels: frozenset[str] = frozenset()
    bounds: Mapping[str, Bound] = field(default_factory=dict)

    def spec_of(self, ref: Ref) -> TensorSpec:
        """The tensor that a reference stands for."""
        if ref.source in self.inputs:
            return self.inputs[ref.source]
        outputs = self.nodes[ref.source].outputs
        return outputs[ref.output if ref.output is not None else next(iter(outputs))]

    @cached_property
    def outputs(self) -> dict[str, TensorSpec]:
        """The graph's outputs by name."""
        return {name: self.spec_of(ref) for name, ref in self.output_refs.items()}

    @property
    def features(self) -> list[str]:
        """The inputs that are not labels."""
        return [name for name in self.inputs if name not in self.labels]

    def table_rows(self) -> dict[str, int]:
        """Rows of the smallest table that reads an input, for each input that is read by one."""
        found: dict[str, int] = {}
        for node in self.nodes.values():
            for place in folded(node.name, 0, node.block, node.specs):
                rows, read = getattr(place.block, "rows", None), place.inputs.get("input_ids")
                read = place.inputs.get("x") if read is None else read
                for name, spec in self.inputs.items():
                    if spec is read and isinstance(rows, int):
                        found[name] = min(rows, found.get(name, rows))
        return found

    def places(self) -> Iterator[BlockPlace]:
        """Every block in graph order, a parent before its children; shared ones once."""
        for node in self.nodes.values():
            if node.owner == node.name:
                yield from descend(node.name, 0, node.block, node.specs)

    def folded(self) -> Iterator[BlockPlace]:
        """What ``places`` gives, with the layers of a stack that are alike as one.

        That is as long as the spec, not as the model. A block's path is the first one's, its ``count`` how many.
        """
        for node in self.nodes.values():
            if node.owner == node.name:
                yield from folded(node.name, 0, node.block, node.specs)

    def layers(self) -> tuple[BlockPlace, ...]:
        """The transformer layers, which are what ``training.recompute`` recomputes.

        Raises SpecError if there is none.
        """
        self.require_layers()
        return tuple(place for place in self.places() if place.block.role == Layer.role)

    def require_layers(self) -> None:
        """Raise SpecError if there is no transformer layer for ``training.recompute``."""
        if not any(place.block.role == Layer.role for place in self.folded()):
            message = f"recomputes transformer layers, and {self.name} has none; leave it out"
            raise SpecError(Problem(message, "training.recompute"))

    def parameters(self) -> dict[str, Parameter]:
        """Parameters by canonical name, tied and shared ones once, without allocating any."""
        return dict(self._parameters)

    @cached_property
    def _parameters(self) -> dict[str, Parameter]:
        return {
            f"{place.path}.{leaf}": parameter
            for place in self.places()
            for leaf, parameter in place.block.parameters(place.inputs).items()
        }

    @cached_property
    def folded_parameters(self) -> tuple[tuple[str, Parameter, int], ...]:
        """The parameters of ``folded``: the first one's name, and how many there are of each."""
        return tuple(
            (f"{place.path}.{leaf}", parameter, place.count)
            for place in self.folded()
            for leaf, parameter in place.block.parameters(place.inputs).items()
        )

    @cached_property
    def parameter_count(self) -> int:
        """Number of trainable values."""
        return sum(each.size * count for _, each, count in self.folded_parameters if each.trainable)

    @cached_property
    def value_count(self) -> int:
        """Number of values in all weights, statistics that are not trained among them."""
        return sum(each.size * count for _, each, count in self.folded_parameters)

    @cached_property
    def loss_parts(self) -> tuple[LossPart, ...]:
        """The terms of the output ``loss``; none if the graph has no such output."""
        return loss_parts(self.inputs, self.nodes, self.output_refs)

    def bind(self, **sizes: int) -> Graph:
        """The same graph with open dimensions replaced by sizes; raises SpecError where one does not fit."""
        for name, size in sizes.items():
            bound = self.bounds.get(name)
            if bound is None:
                raise SpecError(f"no open dimension {name!r} (there are: {', '.join(self.bounds)})")
            if size < bound.minimum or (bound.maximum is not None and size > bound.maximum):
                most = "" if bound.maximum is None else f" and at most {bound.maximum}"
                raise SpecError(f"{name} is {size}; it must be at least {bound.minimum}{most}")
        graph = GraphBuilder(self.name)
        graph.bounds = {name: bound for name, bound in self.bounds.items() if name not in sizes}
        graph.labels = set(self.labels)
        graph.inputs = {name: spec.bind(sizes) for name, spec in self.inputs.items()}
        for node in self.nodes.values():
            graph.place(node.name, node.block, node.inputs, owner=node.owner)
        graph.output_refs = dict(self.output_refs)
        return graph.finish()

    def sizes(self, **given: int) -> dict[str, int]:
        """A size for each open dimension: the given one, else its maximum, else 1."""
        return {
            **{name: bound.maximum or 1 for name, bound in self.bounds.items()},
            **given,
        }

    def cost(
        self,
        *,
        precision: str = "float32",
        optimizer_slots: int = 2,
        recompute: bool = False,
        **sizes: int,
    ) -> GraphCost:
        """FLOPs and bytes of a forward pass and a training step, in all and by block.

        Open dimensions that are not given take their maximum; ``batch`` is 1. Bytes: ``weights``, ``copies``
        of them, ``gradients``, ``optimizer`` (``optimizer_slots`` values a parameter) and ``activations``. With
        ``recompute`` a transformer layer keeps its inputs alone; ``recomputed`` are the activations of the layer
        that has most.
        """
        chosen = self.sizes(**sizes)
        return graph_cost(
            self.bind(**chosen).nodes.values(),
            chosen,
            self._held(recompute),
            precision=precision,
            optimizer_slots=optimizer_slots,
            recompute=recompute,
        )

    def _held(self, recompute: bool) -> Held:
        """What products keep rounded are matrices, biases, and tables of tied heads.

        Those of recomputed layers are rounded again, a layer at a time.
        """
        tables = {
            ref.source: self.spec_of(ref).elements
            for node in self.nodes.values()
            for ref in node.inputs.values()
            if ref.output == "table"
        }
        owned = [node for node in self.nodes.values() if node.owner == node.name]
        found = [narrowed(node.block, node.specs, recompute) for node in owned]
        kept = sum(each for each, _ in found) + max((layer for _, layer in found), default=0)
        return Held(self.value_count, self.parameter_count, kept + sum(tables.values()))


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
        known = inputs if block.variadic else block.ports()
        path = f"model.nodes.{name}.inputs"
        if name in self.nodes:
            raise SpecError(
                Problem(
                    f"{name!r} stands for two nodes, this one and the task's; give this one another name",
                    f"model.nodes.{name}",
                )
            )
        if name in self.inputs:
            raise SpecError(_stands_for_both(name, f"model.inputs.{name}"))
        kind = getattr(block, "kind", "")
        missing = [port for port in block.required if port not in inputs]
        unknown = [port for port in inputs if port not in known]
        if missing or unknown:
            wrong = [f"has no port {port!r}" for port in unknown] + [f"lacks {port!r}" for port in missing]
            ports = ", ".join(
                port if port in block.required else f"{port} (optional)" for port in block.ports()
            )
            raise SpecError(Problem(f"{kind} {name!r} {' and '.join(wrong)}; its ports are {ports}", path))
        order = list(inputs) if block.variadic else [port for port in block.ports() if port in inputs]
        inputs = {port: inputs[port] for port in order}
        specs = {port: self.resolve(ref, path) for port, ref in inputs.items()}
        try:
            outputs = block.infer(specs)
        except ShapeError as error:
            met = "; ".join(
                f"{ref.source!r} gives {specs[port].described}"
                if block.variadic
                else f"{port} from {ref.source!r} is {specs[port].described}"
                for port, ref in inputs.items()
            )
            raise SpecError(Problem(f"{kind} {name!r} {error}" + (f": {met}" if met else ""), path)) from None
        absent = any(specs[port].optional for port in required_ports(block, inputs))
        outputs = {
            output: spec if spec.optional == absent else replace(spec, optional=absent)
            for output, spec in outputs.items()
        }
        if owner != name:
            self._check_shared(name, owner, block, specs, path)
        self.nodes[name] = Node(name, block, inputs, owner, specs, outputs)
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

    def finish(self) -> Graph:
        """The finished graph; raises SpecError if a node or an input reaches no output, or windows fit nowhere."""
        self.bounds = with_room_for_windows(self.bounds, self.nodes)
        graph = self._draft()
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
        )

    def _check_shared(self, name: str, owner: str, block: Block, specs: Inputs, path: str) -> None:
        def table(inputs: Inputs) -> dict[str, tuple[int, ...]]:
            return {
                f"{place.path}.{leaf}": parameter.shape
                for place in folded("", 0, block, inputs)
                for leaf, parameter in place.block.parameters(place.inputs).items()
            }

        mine, theirs = table(specs), table(self.nodes[owner].specs)
        if mine != theirs:
            leaf = next(leaf for leaf in theirs if mine.get(leaf) != theirs[leaf])
            raise SpecError(
                Problem(
                    f"{name!r} is like {owner!r}, but its input would need {leaf.lstrip('.')} of shape "
                    f"{list(mine.get(leaf, ()))}, where {owner!r} has {list(theirs[leaf])}",
                    path,
                )
            )


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
