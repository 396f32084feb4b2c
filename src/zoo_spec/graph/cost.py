"""What a graph costs: its blocks' costs added up, those that are alike once and as many times as they are."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, TypeAlias

from zoo_spec.blocks.base import Block, Inputs
from zoo_spec.blocks.layer import Layer
from zoo_spec.blocks.losses import SoftmaxCrossEntropy
from zoo_spec.blocks.stacked import Run
from zoo_spec.cost import BYTES, BlockCost, Cost, held_bytes
from zoo_spec.graph.learned import Learned
from zoo_spec.graph.wiring import Node
from zoo_spec.tensors import INT

Recompute: TypeAlias = bool | Literal["stacks"]
"""Whether transformer layers keep their inputs alone; "stacks": whatever a stack repeats does."""


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
    """Numbers of values: in all weights, in those that are trained, and in tables that heads are tied to."""

    weights: int
    trained: int
    tied: int


def graph_cost(
    nodes: Iterable[Node],
    sizes: dict[str, int],
    held: Held,
    learned: Learned,
    *,
    precision: str,
    moments: int,
    recompute: Recompute,
    in_parts: Collection[str],
) -> GraphCost:
    """The cost of nodes whose sizes are all known; ``Graph.cost`` says what the bytes are.

    The losses ``in_parts``, by their nodes, take their logits a few rows at a time.
    """
    reached: dict[str, bool] = {}
    costs = []
    for node in nodes:
        before = [reached.get(ref.source, learned.everything) for ref in node.inputs.values()]
        found = _node_cost(node, recompute, learned, learned.everything or any(before), node.name in in_parts)
        reached[node.name] = found.spent.learns
        costs.append(found)
    kept = sum((each.spent.kept for each in costs), Cost())
    wide, narrow = held_bytes(precision), BYTES[precision]
    owned = [each.spent for each in costs if each.is_owner]
    copies = sum(each.copied for each in owned) + max((each.copied_once for each in owned), default=0)
    bytes_ = {
        "weights": held.weights * wide,
        "copies": (copies + held.tied) * narrow if narrow < wide else 0,
        "gradients": held.trained * wide,
        "optimizer": held.trained * wide * moments,
        "activations": kept.saved_bytes(precision),
        "recomputed": max(
            (layer.saved_bytes(precision) for each in costs for layer in each.passing), default=0
        ),
    }
    training = sum(each.tree.row.training_flops for each in costs)
    widest = max((each.widest(precision) for each in costs), default=0)
    return GraphCost(
        sizes, kept.flops, training, kept.kernels, bytes_, widest, tuple(each.tree for each in costs)
    )


@dataclass(frozen=True)
class _Spent:
    """What a block takes: what is kept of it, all of it while it runs, and the values that bfloat16 products round.

    Of these ``copied`` are kept, and ``copied_once`` come and go. ``learns``: a backward pass goes through it.
    """

    kept: Cost
    whole: Cost
    copied: int
    copied_once: int
    learns: bool


@dataclass(frozen=True)
class _NodeCost:
    """A node's costs; ``layers`` are what each kind of layer in it takes while it runs.

    ``passing`` are those of which nothing but the inputs is kept, or nothing at all.
    """

    tree: CostTree
    spent: _Spent
    layers: list[Cost]
    passing: list[Cost]
    is_owner: bool

    def widest(self, precision: str) -> int:
        """Bytes of the layer that keeps most, or of the whole node where it has no layers."""
        return max(each.saved_bytes(precision) for each in self.layers or [self.spent.whole])


def _node_cost(
    node: Node, recompute: Recompute, learned: Learned, reached: bool, in_parts: bool
) -> _NodeCost:
    layers: list[Cost] = []
    passing: list[Cost] = []

    def visit(
        path: str, depth: int, block: Block, inputs: Inputs, run: Run | None, reached: bool
    ) -> tuple[_Spent, CostTree]:
        own = block.parameters(inputs)
        learns = reached or bool(learned.inside(path))
        is_layer = block.role == Layer.role or (recompute == "stacks" and run is not None and run.is_layer)
        cost = block.cost(inputs)
        if in_parts and isinstance(block, SoftmaxCrossEntropy):
            cost = block.cost_in_parts(inputs)
        size = sum(parameter.size for parameter in own.values() if parameter.trainable)
        copied = sum(each.size for each in own.values() if each.role in ("weight", "bias"))
        kept, copied_once = (cost, 0) if learns else (replace(cost, saved=0, wide=0), copied)
        whole, copied = cost, copied if learns else 0
        training = cost.flops * learned.passes(path, own, reached)
        inside = []
        for below, flows in learned.runs(path, block.children(inputs), reached):
            spent, tree = visit(f"{path}.{below.name}", depth + 1, below.block, below.inputs, below, flows)
            kept, whole = kept + spent.kept * below.count, whole + spent.whole * below.count
            copied += spent.copied * below.count
            copied_once = max(copied_once, spent.copied_once)
            size += tree.row.parameters * below.count
            training += tree.row.training_flops * below.count
            inside.append(tree)
        if is_layer:
            layers.append(whole)
            passing.extend([whole] if recompute or not learns else [])
        if recompute and is_layer and learns:
            training += whole.flops
            inputs_kept = sum(spec.elements for spec in inputs.values() if spec.dtype != INT)
            kept = replace(kept, saved=inputs_kept, wide=0)
            copied, copied_once = 0, copied + copied_once
        row = BlockCost(
            path, block.kind, depth, size, whole.flops, training, whole.kernels, kept.saved + kept.wide
        )
        return _Spent(kept, whole, copied, copied_once, learns), CostTree(row, tuple(inside), run)

    spent, tree = visit(node.name, 0, node.block, node.specs, None, reached)
    is_owner = node.owner == node.name
    if not spent.learns and not layers:
        passing.append(spent.whole)
    return _NodeCost(tree if is_owner else _without_weights(tree), spent, layers, passing, is_owner)


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
