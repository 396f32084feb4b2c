"""Chains of nodes that repeat themselves but for a running number, as one box."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from zoo_common.report.svg.scene import Box, Scene
from zoo_spec.graph import Graph, Node

_FEWEST, _LONGEST = 3, 6
_NUMBERED = re.compile(r"(.*?)(\d+)")


@dataclass(frozen=True)
class _Repeat:
    """``count`` units of ``names`` each, one after the other, from ``names[0]`` on."""

    names: tuple[str, ...]
    count: int

    @property
    def unit(self) -> tuple[str, ...]:
        return self.names[: len(self.names) // self.count]


def folded(scene: Scene, graph: Graph) -> Scene:
    """The scene with each chain of three or more like units drawn as one of them, and how many there are."""
    for repeat in _repeats(graph):
        scene = _fold(scene, repeat)
    return scene


def _repeats(graph: Graph) -> list[_Repeat]:
    nodes = list(graph.nodes.values())
    reads = Counter(ref.source for node in nodes for ref in node.inputs.values())
    reads.update(ref.source for ref in graph.output_refs.values())
    # Chains: each node reads the one before it, which nothing else reads.
    linked = [False] + [
        len(node.inputs) == 1 and next(iter(node.inputs.values())).source == before.name
        for before, node in pairwise(nodes)
    ]
    found, start = [], 0
    while start < len(nodes):
        at_start = (_repeat_at(nodes, linked, reads, start, size) for size in range(1, _LONGEST + 1))
        best = max(at_start, key=lambda repeat: len(repeat.names))
        if best.count >= _FEWEST:
            # Of the turns of the same chain, one whose unit begins with a node that has weights reads best.
            size = len(best.unit)
            turns = [_repeat_at(nodes, linked, reads, start + turn, size) for turn in range(size)]
            best = max(turns, key=lambda repeat: (repeat.count, _begins_with_weights(graph, repeat)))
            found.append(best)
            start = nodes.index(graph.nodes[best.names[-1]])
        start += 1
    return found


def _begins_with_weights(graph: Graph, repeat: _Repeat) -> bool:
    node = graph.nodes[repeat.names[0]] if repeat.names else None
    return node is not None and bool(node.block.parameters(node.specs))


def _repeat_at(
    nodes: Sequence[Node], linked: Sequence[bool], reads: Counter[str], start: int, size: int
) -> _Repeat:
    """How often the ``size`` nodes from ``start`` on stand there one after the other."""
    stop, count = start + size, 1
    if stop > len(nodes) or not all(linked[start + 1 : stop]) or len(nodes[start].inputs) != 1:
        return _Repeat((), 0)
    while all(
        index < len(nodes)
        and linked[index]
        and reads[nodes[index - 1].name] == 1
        and _alike(nodes[index - size], nodes[index])
        for index in range(stop, stop + size)
    ):
        stop, count = stop + size, count + 1
    if any(reads[node.name] != 1 for node in nodes[start : stop - 1]):
        return _Repeat((), 0)
    return _Repeat(tuple(node.name for node in nodes[start:stop]), count)


def _alike(one: Node, other: Node) -> bool:
    """The same block on the same shapes, with weights of its own, under the next number."""
    names = _NUMBERED.fullmatch(one.name), _NUMBERED.fullmatch(other.name)
    if names[0] is None or names[1] is None or names[0][1] != names[1][1]:
        return False
    own = one.owner == one.name and other.owner == other.name
    same = (one.block, dict(one.specs), one.outputs) == (other.block, dict(other.specs), other.outputs)
    return own and same and int(names[0][2]) + 1 == int(names[1][2])


def _fold(scene: Scene, repeat: _Repeat) -> Scene:
    first, last = repeat.names[0], repeat.names[-1]
    inside = Scene({name: replace(scene.boxes[name], stage=0) for name in repeat.unit})
    inside.chain(*repeat.unit)
    each = Box(
        f"{first} … {last}",
        "frame",
        (f"× {repeat.count}, each with weights of its own",),
        scene.boxes[first].stage,
        count=repeat.count,
        inside=inside,
    )
    boxes = {
        key: each if key == first else box
        for key, box in scene.boxes.items()
        if key == first or key not in repeat.names
    }
    wires = [
        replace(wire, source=first) if wire.source == last else wire
        for wire in scene.wires
        if wire.target not in repeat.names[1:]
    ]
    return Scene(boxes, wires, scene.band)
