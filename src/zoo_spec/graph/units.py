"""What of a graph goes through memory a piece at a time when weights are streamed, and what stays there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from zoo_spec.blocks.layer import Layer
from zoo_spec.blocks.stacked import runs
from zoo_spec.graph.graph import Graph
from zoo_spec.graph.walk import descend
from zoo_spec.graph.wiring import BlockPlace
from zoo_spec.parameters import Parameter


@dataclass(frozen=True)
class Unit:
    """A block that is in memory with all its weights, or with none of them.

    Two of an equal ``place.block`` and equal ``place.inputs`` compute the same of other weights. ``is_whole`` is a
    layer, others are parts of one.
    """

    place: BlockPlace
    parameters: dict[str, Parameter]
    """Its weights by canonical name, in the model's order."""
    is_whole: bool = True

    @property
    def path(self) -> str:
        """The block's canonical path."""
        return self.place.path

    @property
    def size(self) -> int:
        """Number of values."""
        return sum(each.size for each in self.parameters.values())

    def __hash__(self) -> int:
        return hash(self.path)


@dataclass(frozen=True)
class Units:
    """``streamed`` in the model's order, and by canonical name the ``resident`` weights, which belong to none."""

    streamed: tuple[Unit, ...]
    resident: dict[str, Parameter]

    @property
    def largest(self) -> Unit:
        """The streamed one of most values."""
        return max(self.streamed, key=lambda unit: unit.size)


def units(graph: Graph, *, most: int | None = None) -> Units:
    """The layers; where one has more than ``most`` values, the blocks in it that have not.

    Resident is the rest: embeddings, heads, last norms, a layer that several nodes apply, and what a block that is
    taken apart has beside its parts. A block that cannot be taken apart is a unit of
    any size. Raises SpecError where there is no layer.
    """
    graph.require_stack()
    uses = Counter(node.owner for node in graph.nodes.values())
    found: list[Unit] = []
    for node in graph.nodes.values():
        if node.owner == node.name and uses[node.name] == 1:
            for layer in _layers(BlockPlace(node.name, 0, node.block, node.specs)):
                found += _parts(layer, most)
    inside = {name for unit in found for name in unit.parameters}
    rest = {name: each for name, each in graph.parameters().items() if name not in inside}
    return Units(tuple(found), rest)


def stack_layers(graph: Graph) -> Iterator[BlockPlace]:
    """The outermost layers: transformer layers, and what any other stack repeats, once where nodes share them."""
    for node in graph.nodes.values():
        if node.owner == node.name:
            yield from _layers(BlockPlace(node.name, 0, node.block, node.specs))


def outside_and_largest(graph: Graph) -> tuple[int, int]:
    """How many values the weights outside of layers have, and those of the largest layer."""
    sizes = [Unit(layer, _parameters(layer)).size for layer in stack_layers(graph)]
    return graph.value_count - sum(sizes), max(sizes, default=0)


def _layers(place: BlockPlace) -> Iterator[BlockPlace]:
    """The outermost layers in a block, or the block itself."""
    if place.block.role == Layer.role:
        yield place
        return
    children = place.block.children(place.inputs)
    repeated = {name for run in runs(children) if run.is_layer for name in run.names}
    for name, child in zip(children, _children(place), strict=True):
        if name in repeated:
            yield child
        else:
            yield from _layers(child)


def _parts(place: BlockPlace, most: int | None, *, is_whole: bool = True) -> Iterator[Unit]:
    """The block as a unit, or its parts where it is too large."""
    unit = Unit(place, _parameters(place), is_whole)
    if not unit.parameters:
        return
    if most is None or unit.size <= most:
        yield unit
        return
    children = list(_children(place))
    if not children:
        yield unit
    for child in children:
        yield from _parts(child, most, is_whole=False)


def _children(place: BlockPlace) -> Iterator[BlockPlace]:
    for name, (block, inputs) in place.block.children(place.inputs).items():
        yield BlockPlace(f"{place.path}.{name}", place.depth + 1, block, inputs)


def _parameters(place: BlockPlace) -> dict[str, Parameter]:
    return {
        f"{inner.path}.{leaf}": parameter
        for inner in descend(place.path, place.depth, place.block, place.inputs)
        for leaf, parameter in inner.block.parameters(inner.inputs).items()
    }
