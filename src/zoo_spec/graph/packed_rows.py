"""Whether a graph learns from rows with several examples what it learns from rows with one each."""

from __future__ import annotations

from collections.abc import Iterator

from zoo_spec.blocks.base import EXAMPLE_PORTS, POSITION_PORT, START_PORT
from zoo_spec.blocks.losses import Loss, PositionCrossEntropy
from zoo_spec.blocks.position import Position
from zoo_spec.graph.graph import Graph
from zoo_spec.graph.wiring import BlockPlace, LossPart, Node
from zoo_spec.tensors import Dimension, TensorSpec


def why_unpacked(graph: Graph) -> str | None:
    """What would mix the examples of a row, or has one answer for all of them; None if nothing does."""
    return next(_reasons(graph), None)


def labels_of_examples(graph: Graph) -> dict[str, str | None]:
    """The labels that an example has once, and what weights them: a packed row has as many as examples."""
    return {
        part.labels: part.weights
        for part in graph.loss_parts
        if part.labels is not None and not _open(graph.inputs[part.labels])
    }


def _reasons(graph: Graph) -> Iterator[str]:
    for place in graph.applied():
        if not place.block.keeps_examples_apart:
            yield f"{_said(place)} cannot keep the examples of a row apart"
    told = graph.row_inputs
    if not told.examples:
        yield f"it takes {', '.join(graph.features)}, and no example_ids, which tell the examples of a row apart"
    for place in graph.applied():
        yield from _untold(place)
    for node in graph.nodes.values():
        if _pools(node) and START_PORT not in node.inputs:
            yield (
                f"{node.block.kind} {node.name!r} gives one answer a row, and has no input {START_PORT}, which says "
                "where each example starts"
            )
    yield from _other_inputs(graph)
    for part in graph.loss_parts:
        yield from _unweighted(graph, part)


def _untold(place: BlockPlace) -> Iterator[str]:
    """What a block would need to be told of each token's example."""
    lacks = [port for port in EXAMPLE_PORTS if port in place.block.ports() and port not in place.inputs]
    if lacks:
        yield f"{_said(place)} has no input {' and '.join(lacks)}, which tells the examples of a row apart"
    if isinstance(place.block, Position) and POSITION_PORT not in place.inputs:
        yield f"{_said(place)} counts along the row, and has no input {POSITION_PORT} within each example"


def _pools(node: Node) -> bool:
    """Whether a node makes one thing of what has a value for each token."""
    rows = [spec for spec in node.outputs.values() if spec.shape[:1] == ("batch",)]
    reads = any(_open(spec) for spec in node.specs.values())
    return reads and not isinstance(node.block, Loss) and any(not _open(spec) for spec in rows)


def _other_inputs(graph: Graph) -> Iterator[str]:
    """Inputs that belong to no example of a row, as they go along nothing in which examples are told apart."""
    known = _dimensions(graph)
    for name, spec in graph.inputs.items():
        rest = [size for size in _open(spec) if size not in known]
        if rest:
            yield f"{name} goes along {rest[0]}, in which no input tells the examples of a row apart"
        elif name not in graph.labels and not _open(spec):
            yield f"{name} has one value a row, for all examples in it"


def _dimensions(graph: Graph) -> set[Dimension]:
    """Those in which examples are told apart, and those of places in them."""
    told = graph.row_inputs
    known = {*told.examples.values(), *(graph.inputs[name].shape[1] for name in told.starts)}
    return known | {
        size
        for name, dimension in told.places.items()
        if dimension in known
        for size in _open(graph.inputs[name])
    }


def _unweighted(graph: Graph, part: LossPart) -> Iterator[str]:
    node = graph.nodes[part.node]
    if part.weights is None:
        yield (
            f"the loss {part.name!r} has no input 'weights', which is 0 where a row is not full, so that padding "
            "would count"
        )
    of_examples = part.labels is not None and not _open(graph.inputs[part.labels])
    if of_examples and not isinstance(node.block, PositionCrossEntropy) and not graph.row_inputs.starts:
        yield f"the labels of the loss {part.name!r} are one a row, whatever stands in it"


def _open(spec: TensorSpec) -> list[str]:
    return [size for size in spec.shape[1:] if isinstance(size, str)]


def _said(place: BlockPlace) -> str:
    return f"{place.block.kind} {place.path!r}"
