"""What the frameworks are compared on, weights and batches, and when agreement on it proves nothing."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cached_property
from typing import NamedTuple, Protocol

import numpy as np

from zoo_common.backend import Batch, Weights
from zoo_common.data.generated import id_limits
from zoo_common.parity import tolerances
from zoo_common.parity.compare import largest
from zoo_common.parity.coverage import further_inputs
from zoo_common.parity.probes import probe_inputs, probe_weights
from zoo_common.paths import paths
from zoo_spec.blocks.heads import SpanHead
from zoo_spec.blocks.losses import PositionCrossEntropy
from zoo_spec.errors import InputError
from zoo_spec.graph import Graph

Sizes = Mapping[str, float]
"""The largest magnitude of each tensor."""


class Turn(NamedTuple):
    """A batch that float64 alone is tried on, and the path that is fixed meanwhile; None: whichever is chosen."""

    batch: Batch
    path: str | None = None


class Subject(Protocol):
    """Weights and batches, given to every framework alike."""

    @property
    def weights(self) -> Weights:
        """Every parameter by canonical name, in float64."""

    @property
    def batches(self) -> Mapping[str, Batch]:
        """Batches by name."""

    @property
    def turns(self) -> Mapping[str, Turn]:
        """What else is tried, in float64 alone, once the frameworks are imported; or nothing."""

    def doubt_outputs(self, outputs: Mapping[str, Weights], judged: Collection[str]) -> str:
        """Why agreement on the outputs of these names proves nothing; empty if it does. ``outputs`` are by batch."""

    def doubt_gradients(
        self, gradients: Mapping[str, Weights], sizes: Mapping[str, Mapping[str, Sizes]]
    ) -> str:
        """The same of gradients by batch; ``sizes`` are each framework's, by batch."""


def other_labels(graph: Graph, batch: Batch) -> Batch:
    """The batch with one and the same label everywhere, other than the first that counts: a loss that is not small.

    A small cross-entropy and its gradient are differences of numbers that are not small (a probability and 1), and
    have those numbers' rounding errors. What the loss and gradients are at such labels tells that size; labels that
    differ would cancel each other in the gradient of a bias.
    """
    sizes = {
        dimension: size
        for name, value in batch.items()
        # Labels of a packed row's examples have one dimension more.
        for dimension, size in zip(graph.inputs[name].shape, value.shape, strict=False)
        if isinstance(dimension, str)
    }
    limits = id_limits(graph, sizes)
    found = dict(batch)
    for part in graph.loss_parts:
        if part.labels in batch and part.labels in limits:
            labels, weights = batch[part.labels], batch.get(part.weights or "")
            each = weights is not None and weights.shape == labels.shape
            counted = labels[np.asarray(weights, np.float64) > 0] if each else labels
            first = int(counted.flat[0]) if counted.size else 0
            # Places that are low are seldom padding.
            found[part.labels] = np.full_like(labels, 0 if first == 1 else min(1, limits[part.labels] - 1))
    return found


class Probes:
    """Drawn weights and batches that leave nothing untested, so that whatever is not tested is a defect."""

    def __init__(self, graph: Graph, seed: int, rows: Collection[str] | None = None) -> None:
        self._graph = graph
        self._seed = seed
        self._rows = rows

    @cached_property
    def weights(self) -> Weights:
        """The probe weights."""
        return probe_weights(self._graph, self._seed)

    @cached_property
    def batches(self) -> Mapping[str, Batch]:
        """The probe batches; raises InputError for rows that the graph does not take."""
        found = probe_inputs(self._graph, self._seed)
        if self._rows is None:
            return found
        strange = sorted(set(self._rows) - set(found))
        if strange:
            raise InputError(f"the model takes no {', '.join(strange)} rows; it takes: {', '.join(found)}")
        return {name: batch for name, batch in found.items() if name in self._rows}

    @cached_property
    def turns(self) -> Mapping[str, Turn]:
        """Whatever the graph can meet, and every path on rows of which nothing is told, and most; none where rows
        are asked for."""
        if self._rows is not None:
            return {}
        found = {name: Turn(batch) for name, batch in further_inputs(self._graph, self._seed).items()}
        for path in paths("blocks", "call"):
            for name in {**dict.fromkeys([*self.batches][:1]), **dict.fromkeys([*self.batches][-1:])}:
                found[f"{name}, {path}"] = Turn(self.batches[name], path)
        name, batch = next(iter(self.batches.items()))
        if self._graph.spared_logits:
            found.update({f"{name}, {path}": Turn(batch, path) for path in paths("gradients")})
        return found

    def doubt_outputs(self, outputs: Mapping[str, Weights], judged: Collection[str]) -> str:
        """An output near zero, one that does not answer to the input, or one that is missing."""
        first = next(iter(outputs.values()))
        for name in judged:
            value = first[name]
            if not np.isfinite(value).all():
                return f"{name} is not finite, so agreement on it would prove nothing"
            if largest(value) < tolerances.SMALLEST_SCALE:
                return f"{name} is at most {largest(value):.1e}, so agreement on it would prove nothing"
            if value.ndim and value.shape[0] > 1 and np.array_equal(value[0], value[1]):
                return f"{name} is the same for different rows, so it does not answer to the input"
        missing = sorted(set(self._graph.outputs) - set(first))
        return f"outputs {missing} are missing" if missing else ""

    def doubt_gradients(
        self, gradients: Mapping[str, Weights], sizes: Mapping[str, Mapping[str, Sizes]]
    ) -> str:
        """A parameter that moves nothing and is none of those that cannot, or does on one side only."""
        reference = next(iter(sizes.values()))
        tops = {name: max(found.values()) for name, found in reference.items()}
        still = (*tolerances.WITHOUT_INFLUENCE, *_shifts_of_all_positions(self._graph))
        for parameter in next(iter(reference.values())):
            moves = any(
                found[parameter] > tolerances.VANISHING * tops[name] for name, found in reference.items()
            )
            if not moves and not parameter.endswith(still):
                return f"{parameter} moves nothing: its gradient is zero for every probe"
        return _vanishing_on_one_side(sizes)


def _shifts_of_all_positions(graph: Graph) -> list[str]:
    """What adds the same to the logits of all positions, where a softmax over these ignores it.

    A span head's bias; and the last norm's, where no other loss sees it.
    """
    spans = [f"{place.path}.dense.bias" for place in graph.places() if isinstance(place.block, SpanHead)]
    blocks = [graph.nodes[part.node].block for part in graph.loss_parts]
    if not blocks or not all(isinstance(block, PositionCrossEntropy) for block in blocks):
        return spans
    table = graph.parameters()
    norms = [name for name in table if table[name].role == "norm" and name.endswith(".bias")]
    return spans + norms[-1:]


def _vanishing_on_one_side(sizes: Mapping[str, Mapping[str, Sizes]]) -> str:
    """A gradient that is zero but for rounding in one framework, and not in the other."""
    reference = next(iter(sizes.values()))
    for name, found in reference.items():
        tops = {framework: max(by[name].values()) or 1.0 for framework, by in sizes.items()}  # All are zero.
        for parameter in found:
            parts = {framework: by[name][parameter] / tops[framework] for framework, by in sizes.items()}
            if min(parts.values()) < tolerances.VANISHING <= max(parts.values()):
                return f"the gradient of {parameter} vanishes on one side only: {parts}"
    return ""
