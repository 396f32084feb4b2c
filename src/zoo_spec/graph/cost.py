"""What a graph costs: its blocks' costs added up, those that are alike once and as many times as they are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from zoo_spec.blocks.base import Block, Inputs
from zoo_spec.blocks.layer import Layer
from zoo_spec.blocks.stacked import Run, runs
from zoo_spec.cost import BYTES, BlockCost, Cost, held_bytes
from zoo_spec.graph.wiring import Node
from zoo_spec.tensors import INT


@dataclass(frozen=True)
class GraphCost:
    """Cost of a whole graph at given sizes.

    ``flops`` and ``training_flops`` are of one forward pass and of one training step; ``bytes`` are what a
    forward pass must hold (weights) and a training step adds, by name, in the given precision. ``copies`` are
    the weights as bfloat16 products take them, kept until the products' backward pass. ``widest`` are the bytes that
    a forward pass by itself holds at once: what the node, or the layer within one, keeps that keeps most. ``trees``
    are the nodes.
    """

    sizes: dict[str, int]
    flops: int
    training_flops: int
    kernels: int
    bytes: dict[str, int]
    widest: int
    trees: tuple[CostTree, ...]

    @cached_property
    def blocks(self) -> tuple[BlockCost, ...]:
        """Every block in graph order, a parent before its children."""
        return tuple(row for tree in self.trees for row in _rows(tree, tree.row.name))

    @property
    def training_bytes(self) -> int:
        """Everything that a training step holds at once."""
        return sum(self.bytes.values())


@dataclass(frozen=True)
class CostTree:
    """A block's cost and those inside it; ``run`` says which of its parent's children it is. A node has no parent."""

    row: BlockCost
    inside: tuple[CostTree, ...]
    run: Run | None = None


@dataclass(frozen=True)
class Held:
    """Numbers of values: in all weights, in those that are trained, in those that bfloat16 products keep rounded."""

    weights: int
    trained: int
    narrowed: int


def graph_cost(
    nodes: Iterable[Node],
    sizes: dict[str, int],
    held: Held,
    *,
    precision: str,
    moments: int,
    recompute: bool,
) -> GraphCost:
    """The cost of nodes whose sizes are all known; ``Graph.cost`` says what the bytes are."""
    costs = [_node_cost(node, recompute) for node in nodes]
    kept = sum((each.kept for each in costs), Cost())
    wide, narrow = held_bytes(precision), BYTES[precision]
    bytes_ = {
        "weights": held.weights * wide,
        "copies": held.narrowed * narrow if narrow < wide else 0,
        "gradients": held.trained * wide,
        "optimizer": held.trained * wide * moments,
        "activations": kept.saved_bytes(precision),
        "recomputed": max(
            (layer.saved_bytes(precision) for each in costs for layer in each.recomputed), default=0
        ),
    }
    training = sum(each.tree.row.training_flops for each in costs)
    widest = max((each.widest(precision) for each in costs), default=0)
    return GraphCost(
        sizes, kept.flops, training, kept.kernels, bytes_, widest, tuple(each.tree for each in costs)
    )


@dataclass(frozen=True)
class _NodeCost:
    """A node's costs; what it keeps; and what each kind of layer in it keeps while it runs."""

    tree: CostTree
    kept: Cost
    layers: list[Cost]
    recomputes: bool

    @property
    def recomputed(self) -> list[Cost]:
        """The layers, if they are."""
        return self.layers if self.recomputes else []

    def widest(self, precision: str) -> int:
        """Bytes of the layer that keeps most, or of the whole node where it has no layers."""
        return max(each.saved_bytes(precision) for each in self.layers or [self.kept])


def _node_cost(node: Node, recompute: bool) -> _NodeCost:
    layers: list[Cost] = []

    def visit(path: str, depth: int, block: Block, inputs: Inputs, run: Run | None) -> tuple[Cost, CostTree]:
        total = block.cost(inputs)
        size = sum(parameter.size for parameter in block.parameters(inputs).values() if parameter.trainable)
        training = 3 * total.flops
        inside = []
        for below in runs(block.children(inputs)):
            cost, tree = visit(f"{path}.{below.name}", depth + 1, below.block, below.inputs, below)
            total, size = total + cost * below.count, size + tree.row.parameters * below.count
            training += tree.row.training_flops * below.count
            inside.append(tree)
        if block.role == Layer.role:
            layers.append(total)
        if recompute and block.role == Layer.role:
            training += total.flops
            inputs_kept = sum(spec.elements for spec in inputs.values() if spec.dtype != INT)
            total = replace(total, saved=inputs_kept, wide=0)
        kind = block.kind
        saved = total.saved + total.wide
        row = BlockCost(path, kind, depth, size, total.flops, training, total.kernels, saved)
        return total, CostTree(row, tuple(inside), run)

    kept, tree = visit(node.name, 0, node.block, node.specs, None)
    return _NodeCost(tree if node.owner == node.name else _without_weights(tree), kept, layers, recompute)


def narrowed(block: Block, inputs: Inputs, recompute: bool) -> tuple[int, int]:
    """Values of matrices and biases: of all outside of recomputed layers, and of the layer that has most."""
    roles = ("weight", "bias")
    outside = sum(each.size for each in block.parameters(inputs).values() if each.role in roles)
    largest = 0
    for run in runs(block.children(inputs)):
        inside, layer = narrowed(run.block, run.inputs, recompute)
        outside, largest = outside + inside * run.count, max(largest, layer)
    if recompute and block.role == Layer.role:
        return 0, outside + largest
    return outside, largest


def _without_weights(tree: CostTree) -> CostTree:
    """The costs of a node that uses another's weights."""
    inside = tuple(_without_weights(each) for each in tree.inside)
    return CostTree(replace(tree.row, parameters=0), inside, tree.run)


def _rows(tree: CostTree, path: str) -> Iterator[BlockCost]:
    yield tree.row if path == tree.row.name else replace(tree.row, name=path)
    children = [
        (place, name, each)
        for each in tree.inside
        if each.run is not None
        for place, name in zip(each.run.places, each.run.names, strict=True)
    ]
    for _, name, each in sorted(children, key=lambda child: child[0]):
        yield from _rows(each, f"{path}.{name}")
