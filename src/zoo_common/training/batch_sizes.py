"""Whether the open dimensions of a user's batch fit each other and the model, before a framework sees them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from zoo_common.backend import Array, Batch
from zoo_spec.blocks.ctc_loss import BLANK, CtcLoss
from zoo_spec.errors import InputError
from zoo_spec.graph import Bound, Graph
from zoo_spec.tensors import Windows

_PADDED_BY_HAND = {"samples": "sample_ids"}
"""The input that is 0 where a dimension is filled up."""


def check_sizes(batch: Batch, graph: Graph) -> None:
    """Raise InputError unless each open dimension has one size in the batch, within the graph's bounds."""
    if len({len(value) for value in batch.values()}) > 1:
        sizes = ", ".join(f"{name} {len(value)}" for name, value in batch.items())
        raise InputError(f"the inputs of a batch have other numbers of examples: {sizes}")
    seen: dict[str, tuple[int, str]] = {}
    for name, dimension, size in _open_sizes(batch, graph):
        first, other = seen.setdefault(dimension, (size, name))
        if size != first:
            raise InputError(
                f"a batch's {other} has {first} along {dimension!r} and its {name} {size}; they go together, so give "
                "both the same"
            )
        _check_bound(name, dimension, size, graph)
    _check_windows(batch, graph, {dimension: size for dimension, (size, _) in seen.items()})


def _open_sizes(batch: Batch, graph: Graph) -> Iterator[tuple[str, str, int]]:
    """Input, dimension and size, for every open dimension of a batch but the batch's own."""
    for name in (each for each in graph.inputs if each in batch):
        value = batch[name]
        # Labels of packed examples have one more dimension than those of rows with one example each.
        more = value.ndim - len(graph.inputs[name].shape)
        if more == 1:
            yield name, "examples", value.shape[1]
        for dimension, size in zip(graph.inputs[name].shape[1:], value.shape[1 + more :], strict=True):
            if isinstance(dimension, str) and not isinstance(dimension, Windows) and not more:
                yield name, dimension, size


def _check_bound(name: str, dimension: str, size: int, graph: Graph) -> None:
    bound = graph.bounds.get(dimension, Bound())
    if bound.maximum is not None and size > bound.maximum:
        raise InputError(
            f"a batch's {name} has {size} along {dimension!r}, and the model takes {bound.maximum} at most; cut the "
            "examples, or make the model for more"
        )
    if size < bound.minimum:
        raise InputError(
            f"a batch's {name} has {size} along {dimension!r}, and the model needs {bound.minimum} at least; fill "
            "the examples up with padding"
        )


def _check_windows(batch: Batch, graph: Graph, sizes: Mapping[str, int]) -> None:
    """Dimensions that follow from another, such as a waveform's frames, are as long as that one says."""
    for name, value in batch.items():
        for dimension, size in zip(graph.inputs[name].shape, value.shape, strict=False):
            if isinstance(dimension, Windows) and dimension.source in sizes:
                wanted = dimension.fitting(sizes[dimension.source])
                if size != wanted:
                    raise InputError(
                        f"a batch's {name} has {size} along {str(dimension)!r}, and {sizes[dimension.source]} "
                        f"{dimension.source} make {wanted}; give it one value for each"
                    )


def check_alignments(batch: Batch, graph: Graph) -> None:
    """Raise InputError where labels do not fit into their frames, which would make a CTC loss infinite."""
    for part in graph.loss_parts:
        node = graph.nodes[part.node]
        frames = node.specs["logits"].shape[1] if isinstance(node.block, CtcLoss) else None
        if part.labels is None or part.labels not in batch or not isinstance(frames, Windows):
            continue
        ids = _PADDED_BY_HAND.get(frames.source, "")
        given = batch.get(ids)
        lengths = _lengths(batch, graph, frames.source) if given is None else np.count_nonzero(given, axis=1)
        needed = _frames_needed(batch[part.labels])
        room = np.array([frames.fitting(int(length)) for length in lengths])
        short = np.flatnonzero(needed > room)
        if len(short):
            row = int(short[0])
            raise InputError(
                f"a batch's {part.labels} of example {row} need {needed[row]} frames, one for each and one between "
                f"two that are alike, and its {lengths[row]} {frames.source} make {room[row]}; shorten the labels, "
                "or give more of what they are of"
            )


def _lengths(batch: Batch, graph: Graph, source: str) -> NDArray[np.int64]:
    """The size of a dimension for each example of a batch without padding."""
    size = next((size for _, dimension, size in _open_sizes(batch, graph) if dimension == source), 0)
    return np.full(len(next(iter(batch.values()))), size)


def _frames_needed(labels: Array) -> NDArray[np.int64]:
    """For each row of labels: their number, and one more wherever the same follows."""
    return np.array([_needed(row[row != BLANK]) for row in labels], np.int64)


def _needed(labels: Array) -> int:
    return len(labels) + int(np.count_nonzero(labels[1:] == labels[:-1]))
