"""The parts of a graph: references, nodes, bounds, the terms of a loss."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from zoo_spec.blocks.base import Block, Inputs
from zoo_spec.tensors import TensorSpec


@dataclass(frozen=True)
class Ref:
    """An input of the graph, or an output of a node (its first, where none is named)."""

    source: str
    output: str | None = None

    def __str__(self) -> str:
        return self.source if self.output is None else f"{self.source}.{self.output}"


@dataclass(frozen=True)
class Node:
    """A block and what flows into each of its ports; ``owner`` is the node whose weights it uses."""

    name: str
    block: Block
    inputs: Mapping[str, Ref]
    owner: str
    specs: Inputs
    outputs: Mapping[str, TensorSpec]

    @property
    def required(self) -> tuple[str, ...]:
        """The ports that take positional arguments, in order."""
        return required_ports(self.block, self.inputs)

    @property
    def conditional(self) -> bool:
        """Whether a required port may be absent when the model runs; then the node gives nothing."""
        return any(self.specs[port].optional for port in self.required)


@dataclass(frozen=True)
class Bound:
    """The sizes that an open dimension may have."""

    maximum: int | None = None
    minimum: int = 1


@dataclass(frozen=True)
class LossPart:
    """One term of the loss: its node, its factor, and the graph input that weights it, if one does.

    ``name`` is what its outputs are called by: ``<name>_loss``, ``<name>_numerator``, ``<name>_denominator``.
    """

    name: str
    node: str
    factor: float
    weights: str | None
    labels: str | None


@dataclass(frozen=True)
class BlockPlace:
    """A block somewhere in the graph, by its canonical path.

    ``count`` blocks that are alike but for their weights may stand as one, by the path of the first.
    """

    path: str
    depth: int
    block: Block
    inputs: Inputs
    count: int = 1


def required_ports(block: Block, inputs: Mapping[str, Ref]) -> tuple[str, ...]:
    """The connected ports without which the block gives nothing, in order."""
    return tuple(inputs) if block.variadic else block.required


def output_of(ref: Ref, inputs: Mapping[str, TensorSpec], nodes: Mapping[str, Node]) -> TensorSpec:
    """The tensor that a reference to one of these stands for."""
    if ref.source in inputs:
        return inputs[ref.source]
    outputs = nodes[ref.source].outputs
    return outputs[ref.output if ref.output is not None else next(iter(outputs))]
