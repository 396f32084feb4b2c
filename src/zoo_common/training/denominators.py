"""What each part of the loss is divided by, known before the first micro-batch runs."""

from __future__ import annotations

import numpy as np

from zoo_common.backend import Batch
from zoo_spec.graph import Graph


def denominators(graph: Graph, batch: Batch) -> dict[str, float] | None:
    """The sum of each part's weights over a whole batch, at least 1; None if a node computes some.

    With these, the gradients of micro-batches add up to the whole batch's, however unevenly its tokens fall.
    """
    found = {}
    for part in graph.loss_parts:
        # A user's own batch may leave out weights that are an input.
        left_out = part.weights in graph.inputs and part.weights not in batch
        connected = "weights" in graph.nodes[part.node].inputs and not left_out
        if connected and part.weights is not None:
            total = float(np.sum(batch[part.weights], dtype=np.float64))
        elif not connected and part.labels is not None:
            total = float(np.size(batch[part.labels]))
        else:
            return None
        found[part.name] = max(total, 1.0)
    return found


def split(batch: Batch, size: int) -> list[Batch]:
    """The batch in rows of ``size``; the last may have fewer."""
    count = len(next(iter(batch.values())))
    return [
        {name: value[start : start + size] for name, value in batch.items()}
        for start in range(0, count, size)
    ]
