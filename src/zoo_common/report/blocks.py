"""A graph as a tree of blocks with their costs, repeated ones standing together."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from zoo_common.report.description import BlockDescription
from zoo_spec.blocks.base import Block
from zoo_spec.blocks.layer import Layer
from zoo_spec.graph import Graph
from zoo_spec.graph.cost import CostTree, GraphCost

_NUMBERED = re.compile(r"(.*?)(\d+)")


def block_tree(graph: Graph, cost: GraphCost) -> tuple[BlockDescription, ...]:
    """The graph's nodes with all that is inside them; ``cost`` is the graph's own, at any sizes."""
    blocks = {place.path: place.block for place in graph.folded()}
    described = _Described(_Owners(graph), blocks)
    return tuple(
        replace(
            described.tree(tree, ""),
            reads=tuple(str(ref) for ref in node.inputs.values()),
            output=str(next(iter(node.outputs.values()))),
            weights_of="" if node.owner == node.name else node.owner,
        )
        for tree, node in zip(cost.trees, graph.nodes.values(), strict=True)
    )


def count_layers(graph: Graph) -> tuple[int, dict[str, int]]:
    """Transformer layers, and blocks with weights of their own by kind, the most frequent first."""
    layers = sum(place.count for place in graph.folded() if place.block.role == Layer.role)
    kinds: Counter[str] = Counter()
    for place in graph.folded():
        if place.block.parameters(place.inputs):
            kinds[place.block.kind] += place.count
    return layers, dict(kinds.most_common())


def count_kernels(graph: Graph, cost: GraphCost) -> tuple[int, int]:
    """Matrix products and convolutions of a forward pass; the latter's weights have window dimensions."""
    table, owners = {name: each for name, each, _ in graph.folded_parameters}, _Owners(graph)

    def convolutions(tree: CostTree) -> int:
        weight = table.get(f"{owners.path(tree.row.name)}.weight")
        found = [(_count(each), each) for each in tree.inside]
        own = tree.row.kernels - sum(count * each.row.kernels for count, each in found)
        inside = sum(count * convolutions(each) for count, each in found)
        return inside + (own if weight is not None and len(weight.shape) > 2 else 0)

    total = sum(convolutions(tree) for tree in cost.trees)
    return cost.kernels - total, total


class _Owners:
    """Finds the path under which a block's weights stand, which for a shared node is another's."""

    def __init__(self, graph: Graph) -> None:
        self._nodes = graph.nodes

    def path(self, path: str) -> str:
        node, dot, rest = path.partition(".")
        return self._nodes[node].owner + dot + rest


class _Described:
    """Makes descriptions of costs; ``blocks`` are those of the graph by path, shared ones by their owner's."""

    def __init__(self, owners: _Owners, blocks: dict[str, Block]) -> None:
        self.owners, self.blocks = owners, blocks

    def tree(self, tree: CostTree, parent: str) -> BlockDescription:
        """The block and all inside it; ``parent`` is the path that its name is told without."""
        row, run = tree.row, tree.run
        count, step = (1, 1) if run is None else (run.count, run.step)
        inner = [self.tree(each, f"{row.name}.") for each in tree.inside]
        found = BlockDescription(
            name=row.name.removeprefix(parent),
            kind=row.kind,
            parameters=row.parameters,
            flops=row.flops,
            kernels=row.kernels,
            does_nothing=getattr(self.blocks.get(self.owners.path(row.name)), "rate", None) == 0,
            blocks=tuple(_collapsed(inner)),
        )
        return found if count == 1 else _repeated(found, count, step)


def _collapsed(siblings: Sequence[BlockDescription]) -> list[BlockDescription]:
    """Neighbours that differ in nothing but a running number, as one."""
    found: list[BlockDescription] = []
    for block in siblings:
        previous = found[-1] if found else None
        if previous is not None and _continues(previous, block):
            found[-1] = replace(previous, count=previous.count + 1, last=block.name)
        else:
            found.append(block)
    return found


def _continues(run: BlockDescription, block: BlockDescription) -> bool:
    one, two = _NUMBERED.fullmatch(run.last or run.name), _NUMBERED.fullmatch(block.name)
    if one is None or two is None or one[1] != two[1] or int(one[2]) + 1 != int(two[2]):
        return False
    return replace(run, name="", last="", count=1) == replace(block, name="")


def _repeated(block: BlockDescription, count: int, step: int) -> BlockDescription:
    number = _NUMBERED.fullmatch(block.name)
    assert number is not None, block.name
    last = f"{number[1]}{int(number[2]) + (count - 1) * step}"
    return replace(block, count=count, last=last, step=step)


def _count(tree: CostTree) -> int:
    return 1 if tree.run is None else tree.run.count
