"""A graph as a tree of blocks with their costs, repeated ones standing together."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from zoo_common.report.description import BlockDescription
from zoo_spec.blocks.base import Block
from zoo_spec.blocks.layer import Layer
from zoo_spec.cost import BlockCost, GraphCost
from zoo_spec.graph import Graph

_NUMBERED = re.compile(r"(.*?)(\d+)")


def block_tree(graph: Graph, cost: GraphCost) -> tuple[BlockDescription, ...]:
    """The graph's nodes with all that is inside them; ``cost`` is the graph's own, at any sizes."""
    blocks = {place.path: place.block for place in graph.places()}
    roots = _trees(cost.blocks, 0, "", _Owners(graph), blocks)
    nodes = [
        replace(
            root,
            reads=tuple(str(ref) for ref in graph.nodes[root.name].inputs.values()),
            output=str(next(iter(graph.nodes[root.name].outputs.values()))),
            weights_of="" if graph.nodes[root.name].owner == root.name else graph.nodes[root.name].owner,
        )
        for root in roots
    ]
    return tuple(nodes)


def count_layers(graph: Graph) -> tuple[int, dict[str, int]]:
    """Transformer layers, and blocks with weights of their own by kind, the most frequent first."""
    layers = sum(place.block.role == Layer.role for place in graph.places())
    kinds = Counter(_kind(place.block) for place in graph.places() if place.block.parameters(place.inputs))
    return layers, dict(kinds.most_common())


def count_kernels(graph: Graph, cost: GraphCost) -> tuple[int, int]:
    """Matrix products and convolutions of a forward pass; the latter's weights have window dimensions."""
    table, owners = graph.parameters(), _Owners(graph)
    convolutions = 0
    for index, row in enumerate(cost.blocks):
        weight = table.get(f"{owners.path(row.name)}.weight")
        if weight is not None and len(weight.shape) > 2:
            convolutions += row.kernels - sum(child.kernels for child in _children(cost.blocks, index))
    return cost.kernels - convolutions, convolutions


class _Owners:
    """Finds the path under which a block's weights stand, which for a shared node is another's."""

    def __init__(self, graph: Graph) -> None:
        self._nodes = graph.nodes

    def path(self, path: str) -> str:
        node, dot, rest = path.partition(".")
        return self._nodes[node].owner + dot + rest


def _trees(
    rows: Sequence[BlockCost], depth: int, parent: str, owners: _Owners, blocks: dict[str, Block]
) -> list[BlockDescription]:
    """The rows of this depth, each with those that follow it at greater depth inside it."""
    starts = [index for index, row in enumerate(rows) if row.depth == depth]
    trees = []
    for start, stop in pairwise([*starts, len(rows)]):
        row = rows[start]
        inner = _trees(rows[start + 1 : stop], depth + 1, row.name, owners, blocks)
        trees.append(
            BlockDescription(
                name=row.name.removeprefix(f"{parent}."),
                kind=row.kind,
                parameters=row.parameters,
                flops=row.flops,
                kernels=row.kernels,
                does_nothing=getattr(blocks.get(owners.path(row.name)), "rate", None) == 0,
                blocks=tuple(_collapsed(inner)),
            )
        )
    return trees


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


def _children(rows: Sequence[BlockCost], index: int) -> list[BlockCost]:
    depth, children = rows[index].depth, []
    for row in rows[index + 1 :]:
        if row.depth <= depth:
            break
        if row.depth == depth + 1:
            children.append(row)
    return children


def _kind(block: Block) -> str:
    return str(getattr(block, "kind", block.role))
