"""Walks through a block and all inside it: every one, or those that are alike once."""

from __future__ import annotations

from collections.abc import Iterator

from zoo_spec.blocks.base import Block, Inputs
from zoo_spec.blocks.stacked import runs
from zoo_spec.graph.wiring import BlockPlace


def descend(path: str, depth: int, block: Block, inputs: Inputs) -> Iterator[BlockPlace]:
    """Every block, a parent before its children."""
    yield BlockPlace(path, depth, block, inputs)
    for name, (child, child_inputs) in block.children(inputs).items():
        yield from descend(f"{path}.{name}", depth + 1, child, child_inputs)


def folded(path: str, depth: int, block: Block, inputs: Inputs, count: int = 1) -> Iterator[BlockPlace]:
    """What ``descend`` gives, with those that are alike but for their weights as one, by the first one's path."""
    yield BlockPlace(path, depth, block, inputs, count)
    for run in runs(block.children(inputs)):
        yield from folded(f"{path}.{run.name}", depth + 1, run.block, run.inputs, count * run.count)
