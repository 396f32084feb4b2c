"""An architecture written out of blocks in the spec file itself."""

from __future__ import annotations

import re
from collections.abc import Mapping
from heapq import heappop, heappush
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from zoo_spec.base import PositiveInt, Spec
from zoo_spec.blocks.base import Block
from zoo_spec.errors import Problem, SpecError
from zoo_spec.graph import Bound, GraphBuilder, Ref
from zoo_spec.initializers import GlorotUniform
from zoo_spec.models.base import Backbone, Model
from zoo_spec.models.reserved import why_no_input, why_no_node
from zoo_spec.tensors import TensorSpec
from zoo_spec.values import HINTED, MAX_NAME, nearest, shorten, shortened


def _name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name):
        shown = shorten(name)
        raise ValueError(f"'{shown}' is no name: a letter, then letters, digits and underscores; no dots")
    if len(name) > MAX_NAME:
        raise ValueError(f"'{shorten(name)}' has {len(name):,} letters; a name has at most {MAX_NAME}")
    return name


Name = Annotated[str, AfterValidator(_name)]
Wires = str | tuple[str, ...] | dict[str, str]


class Input(Spec):
    """An input of the graph."""

    shape: tuple[PositiveInt | Name, ...]
    """Each dimension: a size, or the name of an open one, such as batch or sequence."""
    dtype: Literal["float", "float32", "int32"] = "float"
    """float is the model's compute dtype."""
    optional: bool = False
    """Whether it may be left out when the model runs."""
    label: bool = False
    """Whether only the loss needs it; labels may always be left out."""


class ComposedNode(Spec):
    """A node: a block of its own, or the same block, with the same weights, as another node."""

    block: Block | None = None
    """The block that stands here."""
    like: str | None = None
    """The node whose block, and weights, are applied again."""
    inputs: Wires
    """A name, a list of names in the order of the ports, or a mapping from port to name."""

    @model_validator(mode="after")
    def _one_of(self) -> ComposedNode:
        if (self.block is None) == (self.like is None):
            raise ValueError("needs exactly one of 'block' and 'like'")
        return self


class Composed(Model):
    """A graph of named blocks. A reference is an input, a node, or ``node.output``.

    Nodes may be written in any order. With an output named ``loss`` the graph is complete; without one, the
    task adds its head to the outputs ``hidden_states``, ``table``, ``pooled`` or ``features``.
    """

    kind: Literal["graph"] = "graph"
    inputs: dict[Name, Input]
    """The inputs by name."""
    nodes: Annotated[dict[Name, ComposedNode], Field(min_length=1)]
    """The nodes by name."""
    outputs: Annotated[dict[Name, str], Field(min_length=1)]
    """What each output is."""
    bounds: dict[str, PositiveInt] = Field(default_factory=dict)
    """Largest size of each open dimension, such as ``sequence: 128``."""

    def build(self, graph: GraphBuilder) -> Backbone:
        """Wire the nodes up in an order in which they can run; all problems are raised at once."""
        self._check_names()
        for name, given in self.inputs.items():
            spec = TensorSpec(given.shape, given.dtype, given.optional or given.label)
            graph.input(name, spec, label=given.label, bounds=self.bounds)
        unused = [name for name in self.bounds if name not in graph.bounds]
        if unused:
            raise SpecError(
                [Problem("no input has this dimension", f"model.bounds.{name}") for name in unused]
            )
        if "batch" in self.bounds:
            graph.bounds["batch"] = Bound(self.bounds["batch"])
        owners = self._owners()
        for name in self._order(owners):
            node, owner = self.nodes[name], owners[name]
            block = self.nodes[owner].block
            assert block is not None
            graph.place(name, block, self._ports(name, block, node.inputs), owner=owner)
        for name, reference in self.outputs.items():
            if name == "loss":
                graph.loss(_ref(reference))
                graph.head = graph.judged()
            else:
                graph.output(name, _ref(reference))
        return self._backbone(graph)

    def _backbone(self, graph: GraphBuilder) -> Backbone:
        def made(name: str) -> Ref | None:
            return graph.output_refs.get(name)

        pooled, features = made("pooled"), made("features")
        return Backbone(
            initializer=GlorotUniform(),
            hidden_states=made("hidden_states"),
            table=made("table"),
            pooled=None if pooled is None else lambda: pooled,
            features=None if features is None else lambda: features,
        )

    def _check_names(self) -> None:
        known = {*self.inputs, *self.nodes}
        problems = [
            Problem(f"{name!r} is an input too; give the node another name", f"model.nodes.{name}")
            for name in self.nodes
            if name in self.inputs
        ]
        refused = [(f"model.inputs.{name}", name, why_no_input(name)) for name in self.inputs]
        refused += [(f"model.nodes.{name}", name, why_no_node(name)) for name in self.nodes]
        problems += [
            Problem(f"{reason}; choose another name, such as '{name}_1'", place)
            for place, name, reason in refused
            if reason is not None
        ]
        for place, reference in self._references():
            source = _ref(reference).source
            if source not in known:
                hint = nearest(source, known) if len(problems) < HINTED else ""
                problems.append(Problem(f"no input or node is called '{shorten(source)}'{hint}", place))
        for name, node in self.nodes.items():
            if node.like is not None and node.like not in self.nodes:
                others = [other for other in self.nodes if other != name] if len(problems) < HINTED else []
                hint = nearest(node.like, others) if others else ""
                message = f"no node is called '{shorten(node.like)}'{hint}"
                problems.append(Problem(message, f"model.nodes.{name}.like"))
        if problems:
            raise SpecError(problems)

    def _references(self) -> list[tuple[str, str]]:
        inner = [
            (f"model.nodes.{name}.inputs", reference)
            for name, node in self.nodes.items()
            for reference in _listed(node.inputs)
        ]
        return inner + [(f"model.outputs.{name}", reference) for name, reference in self.outputs.items()]

    def _owners(self) -> dict[str, str]:
        """The node whose block each node applies, through however many that are like each other."""
        owners: dict[str, str] = {}
        for name in self.nodes:
            chain = {name: None}
            last = name
            while last not in owners and (like := self.nodes[last].like) is not None:
                if like in chain:
                    circle = shortened([*chain, like], " -> ")
                    raise SpecError(Problem(f"'like' goes in a circle: {circle}", f"model.nodes.{last}.like"))
                chain[like] = None
                last = like
            owner = owners.get(last, last)
            owners.update(dict.fromkeys(chain, owner))
        return owners

    def _order(self, owners: Mapping[str, str]) -> list[str]:
        """Nodes after what they read and what they are like, else as written; raises SpecError on a cycle."""
        names = list(self.nodes)
        waiting = {name: self._needs(name, owners) for name in names}
        readers: dict[str, list[int]] = {name: [] for name in names}
        missing = [len(waiting[name]) for name in names]
        for index, name in enumerate(names):
            for need in waiting[name]:
                readers[need].append(index)
        ready = [index for index, count in enumerate(missing) if not count]
        order: list[str] = []
        while ready:
            name = names[heappop(ready)]
            order.append(name)
            del waiting[name]
            for index in readers[name]:
                missing[index] -= 1
                if not missing[index]:
                    heappush(ready, index)
        if waiting:
            circle = _circle(waiting)
            message = f"the nodes read each other in a circle: {shortened(circle, ' -> ')}"
            raise SpecError(Problem(message, f"model.nodes.{circle[0]}"))
        return order

    def _needs(self, name: str, owners: Mapping[str, str]) -> set[str]:
        read = {_ref(reference).source for reference in _listed(self.nodes[name].inputs)}
        needs = {source for source in read if source in self.nodes}
        owner = owners[name]
        return needs if owner == name else {*needs, owner}

    def _ports(self, name: str, block: Block, wires: Wires) -> dict[str, Ref]:
        if isinstance(wires, dict):
            return {port: _ref(reference) for port, reference in wires.items()}
        given = _listed(wires)
        ports = [str(index) for index in range(len(given))] if block.variadic else list(block.ports())
        if len(given) > len(ports):
            kind = block.kind
            raise SpecError(
                Problem(
                    f"{kind} {name!r} takes {len(ports)} inputs ({', '.join(ports)}), {len(given)} are given",
                    f"model.nodes.{name}.inputs",
                )
            )
        return {port: _ref(reference) for port, reference in zip(ports, given, strict=False)}


def _ref(reference: str) -> Ref:
    source, dot, output = reference.partition(".")
    return Ref(source, output if dot else None)


def _listed(wires: Wires) -> tuple[str, ...]:
    if isinstance(wires, str):
        return (wires,)
    return tuple(wires.values()) if isinstance(wires, dict) else wires


def _circle(waiting: dict[str, set[str]]) -> list[str]:
    path = {next(iter(waiting)): None}
    while True:
        following = next(name for name in sorted(waiting[next(reversed(path))]) if name in waiting)
        if following in path:
            names = list(path)
            return [*names[names.index(following) :], following]
        path[following] = None
