"""What each part of the loss is divided by, known before the first micro-batch runs."""

from __future__ import annotations

import math

import numpy as np

from zoo_common.backend import Batch
from zoo_spec.blocks.losses import Loss
from zoo_spec.graph import Graph, LossPart


def denominators(graph: Graph, batch: Batch) -> dict[str, float] | None:
    """The sum of each part's weights over a whole batch; None if a node computes some.

    With these, the gradients of micro-batches add up to the whole batch's, however unevenly its tokens fall. Where
    the sum is 0 it is infinity, by which the part and its gradients are 0.
    """
    sums = weight_sums(graph, batch)
    return None if sums is None else {name: total or math.inf for name, total in sums.items()}


def weight_sums(graph: Graph, batch: Batch) -> dict[str, float] | None:
    """The same, 0 where a batch has nothing that a part could learn."""
    found = {part.name: _weight_sum(graph, part, batch) for part in graph.loss_parts}
    known = {name: total for name, total in found.items() if total is not None}
    return known if len(known) == len(found) else None


def _weight_sum(graph: Graph, part: LossPart, batch: Batch) -> float | None:
    node = graph.nodes[part.node]
    if "weights" in node.inputs and part.weights is None:
        return None
    if part.weights is not None and part.weights in batch:
        return float(np.sum(batch[part.weights], dtype=np.float64))
    if part.labels is None:
        return None
    assert isinstance(node.block, Loss)
    return float(node.block.count(np.shape(batch[part.labels])))


def split(batch: Batch, size: int) -> list[Batch]:
    """The batch in rows of ``size``; the last may have fewer."""
    count = len(next(iter(batch.values())))
    return [
        {name: value[start : start + size] for name, value in batch.items()}
        for start in range(0, count, size)
    ]
