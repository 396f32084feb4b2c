"""Labels of a CTC loss that take up every frame, and ones that need a frame more than there are."""

from __future__ import annotations

import numpy as np

from zoo_common.backend import Array, Batch
from zoo_common.parity.probes import IDS, POSITIONS, Draw, draw_batch, probe_sizes
from zoo_spec.blocks.ctc_loss import CtcLoss
from zoo_spec.graph import Graph
from zoo_spec.graph.wiring import Bound, LossPart
from zoo_spec.tensors import Windows

FRAMES = 2
"""The fewest in which labels that differ fit, and labels that are alike do not."""


def tight_labels(graph: Graph, seed: int) -> dict[str, Batch]:
    """Batches by what is particular about their labels; none for a graph without such a loss."""
    found: dict[str, Batch] = {}
    for part in graph.loss_parts:
        sizes, frames = _short_rows(graph, part)
        if part.labels is None or frames is None:
            continue
        rows = dict.fromkeys(name for name in graph.inputs if name in IDS or name in POSITIONS)
        drawn = draw_batch(graph, seed, Draw(f"tight {part.labels}", sizes, rows))
        most = drawn[part.labels].shape[1]
        differ, alike = 1 + np.arange(frames) % 2, np.ones(frames // 2 + 1 + frames % 2)
        for name, labels in (
            (f"{part.labels} that just fit", differ),
            (f"{part.labels} that do not fit", alike),
        ):
            if len(labels) <= most:
                found[name] = {**drawn, part.labels: _all_rows(drawn[part.labels], labels)}
    return found


def _short_rows(graph: Graph, part: LossPart) -> tuple[dict[str, int], int | None]:
    """Sizes that leave as few frames as labels can be told apart in, and how many; None for another kind of loss."""
    sizes, node = probe_sizes(graph), graph.nodes[part.node]
    if not isinstance(node.block, CtcLoss):
        return sizes, None
    frames = node.specs["logits"].shape[1]
    if isinstance(frames, int):
        return sizes, frames
    if isinstance(frames, Windows):
        name, wanted = frames.source, frames.size + (FRAMES - 1) * frames.stride
    else:
        name, wanted = str(frames), FRAMES
    bound = graph.bounds.get(name, Bound())
    sizes[name] = min(max(wanted, bound.minimum), bound.maximum or wanted)
    return sizes, frames.fitting(sizes[name]) if isinstance(frames, Windows) else sizes[name]


def _all_rows(drawn: Array, labels: Array) -> Array:
    filled = np.zeros_like(drawn)
    filled[:, : len(labels)] = labels
    return filled
