"""Logits that nobody but a loss reads: training need not have all of them at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from zoo_spec.blocks.losses import SoftmaxCrossEntropy
from zoo_spec.graph.wiring import Node


@dataclass(frozen=True)
class SparedLogits:
    """The product that gives logits, by its canonical path, and the loss that reads them, by its node."""

    product: str
    loss: str


def spared_logits(inputs: Mapping[str, object], nodes: Mapping[str, Node]) -> tuple[SparedLogits, ...]:
    """All that the graph has; outputs of the graph count as read by nobody.

    They are larger than what they are made of, and no other node applies the block that makes them. Weights are
    inputs, for a loss in parts has no gradient for them.
    """
    found = []
    for loss in nodes.values():
        # Of a plugin's block that derives from one here nothing is known.
        if type(loss.block) is not SoftmaxCrossEntropy or loss.inputs["logits"].source in inputs:
            continue
        head = nodes[loss.inputs["logits"].source]
        product = vars(type(head.block)).get("last_product")
        given = [loss.inputs[port].source for port in ("labels", "weights") if port in loss.inputs]
        if (
            product is not None
            and _is_read_once(head, nodes)
            and all(source in inputs for source in given)
            and loss.specs["logits"].width > head.specs["x"].width
        ):
            found.append(SparedLogits(f"{head.name}.{product}" if product else head.name, loss.name))
    return tuple(found)


def _is_read_once(head: Node, nodes: Mapping[str, Node]) -> bool:
    """Whether one node alone reads it, and none shares its block."""
    readers = [ref for node in nodes.values() for ref in node.inputs.values() if ref.source == head.name]
    return len(readers) == 1 and sum(node.owner == head.owner for node in nodes.values()) == 1
