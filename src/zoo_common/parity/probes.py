"""Weights and inputs that leave nothing untested: values of order one in every parameter, biases and norms too,
and rows that are full, padded and packed. Parity on small initial weights passes vacuously."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zoo_common.backend import Array, Batch, Weights
from zoo_common.data.generated import id_limits
from zoo_spec.blocks.losses import PositionCrossEntropy
from zoo_spec.graph import Bound, Graph
from zoo_spec.graph.packed_rows import labels_of_examples
from zoo_spec.initializers import Normal
from zoo_spec.parameters import Parameter
from zoo_spec.random import Stream

BATCH, LONGEST, PREDICTIONS, EXAMPLES, OPEN = 3, 32, 5, 2, 4
IDS = ("example_ids", "decoder_example_ids", "sample_ids")
POSITIONS = ("positions", "decoder_positions", "pooled_positions")
SAMPLES = 4000
"""Of a waveform, unless the model takes fewer: a dozen frames of 20 ms at 16 kHz."""


def probe_weights(graph: Graph, seed: int) -> Weights:
    """A value for every parameter, in float64."""
    return {name: _draw(name, parameter, seed) for name, parameter in graph.parameters().items()}


def _draw(name: str, parameter: Parameter, seed: int) -> NDArray[np.float64]:
    values: NDArray[np.float64] = (
        Normal(std=1.0).draw(seed, f"probe/{name}", parameter.shape).astype(np.float64)
    )
    if parameter.role == "weight":
        # Divided by the root of the fan-in, so that activations stay of order one through any depth.
        return values / math.sqrt(values[0].size)
    if name.endswith(".running_var"):
        return np.exp(0.3 * values)
    if parameter.role == "norm":
        return 0.3 * values + (1.0 if name.endswith(".weight") else 0.0)
    return 0.5 * values


def nudged(weights: Mapping[str, Array], relative: float, seed: int) -> Weights:
    """The weights, each value changed by the given relative amount, up or down at random."""
    changed = {}
    for name, value in weights.items():
        signs = np.where(Stream(seed, "nudge", name).uniforms(value.size) < 0.5, -1.0, 1.0)
        wide = np.asarray(value, np.float64) * (1.0 + relative * signs.reshape(value.shape))
        changed[name] = wide.astype(value.dtype)
    return changed


def probe_sizes(graph: Graph) -> dict[str, int]:
    """Small sizes for the open dimensions, within their bounds."""
    wanted = {
        "batch": BATCH,
        "sequence": LONGEST,
        "target_sequence": LONGEST,
        "predictions": PREDICTIONS,
        "examples": EXAMPLES,
        "samples": SAMPLES,
    }
    sizes = {}
    for name, bound in graph.bounds.items():
        size = max(wanted.get(name, OPEN), bound.minimum)
        sizes[name] = size if bound.maximum is None else min(size, bound.maximum)
    return sizes


def probe_rows(graph: Graph) -> tuple[str, ...]:
    """The rows that a graph takes: ``full``, and, where it tells examples apart, ``padded`` and ``packed``."""
    if "example_ids" not in graph.inputs and "sample_ids" not in graph.inputs:
        return ("full",)
    apart = all(place.block.keeps_examples_apart for place in graph.places())
    return ("full", "padded", "packed") if apart else ("full", "padded")


def probe_inputs(graph: Graph, seed: int) -> dict[str, Batch]:
    """A batch of each of ``probe_rows``."""
    return {rows: _batch(graph, seed, rows) for rows in probe_rows(graph)}


def _batch(graph: Graph, seed: int, variant: str) -> Batch:
    packed = {"full": None, "padded": None, "packed": "packed"}[variant]
    rows = {name: packed for name in graph.inputs if name in POSITIONS}
    rows |= {name: None if variant == "full" else variant for name in graph.inputs if name in IDS}
    return draw_batch(graph, seed, Draw(variant, probe_sizes(graph), rows))


@dataclass(frozen=True)
class Draw:
    """What a batch is like.

    ``rows`` says of each of ``IDS`` and ``POSITIONS`` what it tells of: ``padded`` or ``packed`` rows, or None where
    it is left out. ``unweighted``: inputs that weight every label 0.
    """

    name: str
    sizes: Mapping[str, int]
    rows: Mapping[str, str | None]
    left_out: frozenset[str] = frozenset()
    unweighted: frozenset[str] = frozenset()


def draw_batch(graph: Graph, seed: int, draw: Draw) -> Batch:
    """A batch of this kind."""
    sizes, limits = draw.sizes, id_limits(graph, draw.sizes)
    batch: dict[str, Array] = {}
    for name, kind in draw.rows.items():
        if kind is not None:
            batch[name] = _told(graph, seed, name, kind, sizes)
    of_examples = _of_examples(graph, draw)
    for name, spec in graph.inputs.items():
        if name in draw.rows or name in draw.left_out:
            continue
        shape = tuple(int(size) for size in spec.bind(sizes).shape)
        if name in of_examples:
            shape = (shape[0], sizes.get("examples", EXAMPLES), *shape[1:])
        batch[name] = _values(name, spec.dtype, shape, limits.get(name, 2), Stream(seed, draw.name, name))
    for part in graph.loss_parts:
        if part.weights in draw.unweighted:
            batch[part.weights] = np.zeros(batch[part.weights].shape)
        elif part.weights in batch:
            stream = Stream(seed, draw.name, part.weights)
            batch[part.weights] = _loss_weights(batch[part.weights].shape, stream)
    return {name: batch[name] for name in graph.inputs if name in batch}


def _told(graph: Graph, seed: int, name: str, kind: str, sizes: Mapping[str, int]) -> Array:
    """What an input of ``IDS`` or ``POSITIONS`` tells of rows of this kind."""
    dimension, first, least = "sequence", "example_ids", 1
    if name.startswith("decoder_"):
        # Of other lengths than the first sequence's, so that whoever mistakes one for the other is seen.
        dimension, first, seed = "target_sequence", "decoder_example_ids", seed + 1
    elif name == "sample_ids":
        dimension, first, least = "samples", "sample_ids", graph.bounds.get("samples", Bound()).minimum
    length = _length(graph, first, sizes, dimension)
    rows = _rows(kind, sizes["batch"], length, seed, examples=sizes.get("examples", EXAMPLES), least=least)
    return rows[{"sample_ids": "example_ids"}.get(name, name.removeprefix("decoder_"))]


def _length(graph: Graph, name: str, sizes: Mapping[str, int], dimension: str) -> int:
    """How long the rows are that this input tells of, where there are any; a composed graph may fix it."""
    given = graph.inputs.get(name)
    return sizes.get(dimension, 1) if given is None else int(given.bind(sizes).shape[1])


def _of_examples(graph: Graph, draw: Draw) -> set[str]:
    """The labels, and their weights, that rows of this kind have for each of their examples."""
    found: set[str] = set()
    for part in graph.loss_parts:
        points = isinstance(graph.nodes[part.node].block, PositionCrossEntropy)
        told = draw.rows.get("example_ids" if points else "pooled_positions")
        if told == "packed" and part.labels in labels_of_examples(graph):
            found |= {name for name in (part.labels, part.weights) if name is not None}
    return found


def _values(name: str, dtype: str, shape: tuple[int, ...], limit: int, stream: Stream) -> Array:
    count = int(np.prod(shape))
    if dtype == "int32":
        return stream.integers(limit, count).reshape(shape).astype(np.int32)
    return (2 * stream.uniforms(count) - 1).reshape(shape)


def _loss_weights(shape: tuple[int, ...], stream: Stream) -> Array:
    """0, a half or 1, at least one of them 1, and a row all 0: uneven, as real batches are."""
    weights = stream.integers(3, int(np.prod(shape))).reshape(shape) / 2.0
    if len(shape) and shape[0] > 1:
        weights[-1] = 0.0  # A row with nothing to learn.
    weights.flat[0] = 1.0
    return weights


def _rows(variant: str, batch: int, length: int, seed: int, *, examples: int, least: int) -> dict[str, Array]:
    """``example_ids``, ``positions`` and ``pooled_positions`` of padded rows, or of examples and padding.

    Where a row is too short for all its examples, the last ones are told to start where it does. One example fills
    the last of several packed rows, and most of a single one, so that positions go as far as they may.
    """
    stream = Stream(seed, "rows", variant)
    ids = np.zeros((batch, length), np.int32)
    positions = np.zeros((batch, length), np.int32)
    pooled = np.zeros((batch, examples), np.int32)
    for row in range(batch):
        end = max(least, length - 1 - stream.integer(max(1, length // 3)))
        starts = [0]
        if variant == "packed" and 0 < row == batch - 1:
            end = length
        elif variant == "packed" and examples > 1 and end > 1:
            first = end // 2 - stream.integer(max(1, end // 4)) if batch > 1 else end // 8
            starts.append(max(1, first))
            starts += range(starts[-1] + 1, min(end, starts[-1] + examples - 1))
        for number, (start, stop) in enumerate(zip(starts, [*starts[1:], end], strict=True)):
            ids[row, start:stop] = number + 1
            positions[row, start:stop] = np.arange(stop - start)
            pooled[row, number] = start
    return {"example_ids": ids, "positions": positions, "pooled_positions": pooled}
