"""A checked graph, and what can be asked of it: shapes, blocks, parameters, cost."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from zoo_spec.blocks.dropout import Dropout
from zoo_spec.blocks.layer import Layer
from zoo_spec.blocks.norm import BatchNorm
from zoo_spec.blocks.stacked import Stacked
from zoo_spec.errors import Problem, SpecError
from zoo_spec.graph.cost import GraphCost, Held, Recompute, graph_cost
from zoo_spec.graph.learned import Learned
from zoo_spec.graph.loss_parts import loss_parts
from zoo_spec.graph.node_checks import checked_node
from zoo_spec.graph.packing import RowInputs, row_inputs
from zoo_spec.graph.spared_logits import SparedLogits, spared_logits
from zoo_spec.graph.walk import descend, folded
from zoo_spec.graph.windows import with_room_for_windows
from zoo_spec.graph.wiring import BlockPlace, Bound, LossPart, Node, Ref, output_of
from zoo_spec.parameters import Parameter
from zoo_spec.tensors import TensorSpec


@dataclass(frozen=True)
class Graph:
    """A checked graph. Nodes stand in an order in which they can run.

    ``labels`` are the inputs that no prediction needs; ``bounds`` limit the open dimensions; ``head`` are the nodes
    that the task added to the model's own.
    """

    name: str
    inputs: Mapping[str, TensorSpec]
    nodes: Mapping[str, Node]
    output_refs: Mapping[str, Ref]
    labels: frozenset[str] = frozenset()
    bounds: Mapping[str, Bound] = field(default_factory=dict)
    head: frozenset[str] = frozenset()

    def spec_of(self, ref: Ref) -> TensorSpec:
        """The tensor that a reference stands for."""
        return output_of(ref, self.inputs, self.nodes)

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
        for place in self.applied():
            rows, read = getattr(place.block, "rows", None), place.inputs.get("input_ids")
            read = place.inputs.get("x") if read is None else read
            for name, spec in self.inputs.items():
                if spec is read and isinstance(rows, int):
                    found[name] = min(rows, found.get(name, rows))
        return found

    @cached_property
    def row_inputs(self) -> RowInputs:
        """The inputs that speak of the examples of a row, told by what reads them."""
        return row_inputs(self.inputs, self.applied())

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

    def applied(self) -> Iterator[BlockPlace]:
        """What ``folded`` gives, with blocks that are shared once for each node that applies them."""
        for node in self.nodes.values():
            yield from folded(node.name, 0, node.block, node.specs)

    def layers(self) -> tuple[BlockPlace, ...]:
        """The transformer layers, which are what ``training.recompute`` recomputes.

        Raises SpecError if there is none.
        """
        self.require_layers()
        return tuple(place for place in self.places() if place.block.role == Layer.role)

    @cached_property
    def has_layers(self) -> bool:
        """Whether there is a transformer layer."""
        return any(place.block.role == Layer.role for place in self.folded())

    @cached_property
    def has_stack(self) -> bool:
        """Whether there are layers that follow one another: transformer layers, or what another stack repeats."""
        return self.has_layers or any(
            isinstance(place.block.children(place.inputs), Stacked) for place in self.folded()
        )

    def require_stack(self) -> None:
        """Raise SpecError if there is nothing to stream."""
        if not self.has_stack:
            what = f"weight_streaming streams the layers of a stack, and {self.name} has none"
            raise SpecError(Problem(f"{what}; leave it out", "training.execution"))

    def rowless_dropouts(self) -> frozenset[str]:
        """Paths of the dropouts whose values belong to no row of the batch, as those of a bias of all rows do."""
        return frozenset(
            place.path
            for place in self.places()
            if isinstance(place.block, Dropout) and place.inputs["x"].shape[:1] != ("batch",)
        )

    @cached_property
    def synchronizes(self) -> bool:
        """Whether replicas of it meet within a micro-batch, for statistics over the rows of all."""
        return any(
            isinstance(place.block, BatchNorm) and place.block.statistics == "synchronized"
            for place in self.folded()
        )

    def require_layers(
        self, field: str = "training.recompute", does: str = "recomputes transformer layers"
    ) -> None:
        """Raise SpecError if there is no transformer layer for a field of the spec, which ``does`` what it says."""
        if not self.has_layers:
            raise SpecError(Problem(f"{does}, and {self.name} has none; leave it out", field))

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

    @cached_property
    def spared_logits(self) -> tuple[SparedLogits, ...]:
        """The logits that training need not have all at once."""
        return spared_logits(self.inputs, self.nodes)

    def bind(self, **sizes: int) -> Graph:
        """The same graph with open dimensions replaced by sizes; raises SpecError where one does not fit."""
        for name, size in sizes.items():
            bound = self.bounds.get(name)
            if bound is None:
                raise SpecError(f"no open dimension {name!r} (there are: {', '.join(self.bounds)})")
            if size < bound.minimum or (bound.maximum is not None and size > bound.maximum):
                most = "" if bound.maximum is None else f" and at most {bound.maximum}"
                raise SpecError(f"{name} is {size}; it must be at least {bound.minimum}{most}")
        inputs = {name: spec.bind(sizes) for name, spec in self.inputs.items()}
        nodes: dict[str, Node] = {}
        for node in self.nodes.values():
            specs = {port: output_of(ref, inputs, nodes) for port, ref in node.inputs.items()}
            nodes[node.name] = checked_node(node.name, node.block, node.inputs, specs, node.owner)
        open_bounds = {name: bound for name, bound in self.bounds.items() if name not in sizes}
        return replace(self, inputs=inputs, nodes=nodes, bounds=with_room_for_windows(open_bounds, nodes))

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
        moments: int = 2,
        recompute: Recompute = False,
        frozen: Collection[str] = (),
        whole_logits: bool = False,
        **sizes: int,
    ) -> GraphCost:
        """FLOPs and bytes of a forward pass and a training step, in all and by block.

        Open dimensions that are not given take their maximum; ``batch`` is 1. Bytes: ``weights``, ``copies``
        of them, ``gradients``, ``optimizer`` (``moments`` values a parameter) and ``activations``. With
        ``recompute`` a transformer layer keeps its inputs alone, and by "stacks", as where weights are streamed, any
        layer of a stack; ``recomputed`` are the activations of the layer that has most, of these and of those that
        keep nothing. Weights that are ``frozen``, by name, have no gradient and no moments, and nothing is kept where
        no trained one lies in or before a block. ``whole_logits`` are those of a pass that
        has all logits, as one without training does.
        """
        chosen = self.sizes(**sizes)
        return graph_cost(
            self.bind(**chosen).nodes.values(),
            chosen,
            self._held(frozen),
            Learned(
                [name for name, each in self._parameters.items() if each.trainable and name not in frozen]
            )
            if frozen
            else Learned(),
            precision=precision,
            moments=moments,
            recompute=recompute,
            in_parts=() if whole_logits else [each.loss for each in self.spared_logits],
        )

    def _held(self, frozen: Collection[str]) -> Held:
        tables = {
            ref.source: self.spec_of(ref).elements
            for node in self.nodes.values()
            for ref in node.inputs.values()
            if ref.output == "table"
        }
        still = sum(self._parameters[name].size for name in frozen if self._parameters[name].trainable)
        return Held(self.value_count, self.parameter_count - still, sum(tables.values()))
