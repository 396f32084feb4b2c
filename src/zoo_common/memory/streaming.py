"""What training holds in memory where a layer's weights at a time are there, and what it moves to and from files.

Pure arithmetic. The three slots, the moments and what a step reads and writes are those of ``zoo_common/streaming``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from zoo_common.memory import machine
from zoo_common.memory.sizes import step_rows, step_sizes
from zoo_common.units import bytes_text, rounded_up
from zoo_spec.cost import held_bytes
from zoo_spec.errors import EnvironmentFault, Problem, SpecError
from zoo_spec.experiment import ExperimentSpec
from zoo_spec.frameworks import Overhead, overhead_of
from zoo_spec.graph import Graph, Units, stack_layers, units
from zoo_spec.graph.cost import GraphCost
from zoo_spec.parameters import Parameter
from zoo_spec.trained import frozen_names
from zoo_spec.training import Training

SLOTS = 3
"""One unit is computed with, one is read, one is written."""
SPARES = 2
"""Gradients of a unit that are being written, where they are kept in files until all are there."""
SETS = 2
"""Copies of weights and moments on the disk: the checkpoint, and what the next one will be."""
_SHARE = 0.5
"""Of what a limit leaves beside the framework and resident weights: for slots; the rest is for what is computed."""


@dataclass(frozen=True)
class Phase:
    """A part of a step: what it computes while it reads and writes."""

    flops: int
    read: int
    written: int


@dataclass(frozen=True)
class Streamed:
    """What streaming a training takes. Bytes, but for ``phases``' FLOPs.

    ``units`` are streamed; ``memory`` is the peak, by name; ``disk`` what lies there while it trains, by name;
    ``phases`` are those of a step: forward, backward and, where gradients are clipped, update.
    """

    units: Units
    memory: dict[str, int]
    disk: dict[str, int]
    phases: dict[str, Phase]

    @property
    def read(self) -> int:
        """Bytes that a step reads."""
        return sum(phase.read for phase in self.phases.values())

    @property
    def written(self) -> int:
        """Bytes that a step writes."""
        return sum(phase.written for phase in self.phases.values())

    @property
    def flops(self) -> int:
        """Of a step."""
        return sum(phase.flops for phase in self.phases.values())


def least_limit(
    spec: ExperimentSpec, taken: Callable[[ExperimentSpec], Mapping[str, int]], start: int
) -> int:
    """The smallest memory limit, of three digits and from ``start`` bytes on, within which what is ``taken`` fits."""
    limit = rounded_up(start)
    while True:  # A higher one has larger units, which take more.
        update = {"training": spec.training.model_copy(update={"memory_limit": limit})}
        more = sum(taken(spec.model_copy(update=update)).values())
        if more <= limit:
            return limit
        limit = rounded_up(more)


def unit_values(
    graph: Graph, training: Training, framework: str | None = None, enough: Callable[[int], int] = rounded_up
) -> int:
    """How many values a unit may have, so that three of its state fit into half of what memory leaves.

    That is ``training.memory_limit`` or what is free now, less the framework, and resident weights with their
    gradients. Raises SpecError where nothing can be streamed or the limit leaves nothing, with one that does,
    ``enough`` for what else is to fit, and EnvironmentFault where what is free leaves nothing.
    """
    kept = 2 * held_bytes(training.precision)
    return _values_within(graph, training.memory_limit, framework, kept, _Traffic.of(training).slot, enough)


def inference_unit_values(
    graph: Graph,
    dtype: str,
    limit: int | None = None,
    framework: str | None = None,
    enough: Callable[[int], int] = rounded_up,
) -> int:
    """The same for a model that only computes, in ``dtype``: of weights alone, without gradients and moments."""
    wide = held_bytes(dtype)
    return _values_within(graph, limit, framework, wide, wide, enough)


def streamed(spec: ExperimentSpec, graph: Graph, framework: str | None = None, **given: int) -> Streamed:
    """What streaming this training takes; ``given`` are sizes of open dimensions to use instead of the data's.

    Raises SpecError where nothing can be streamed, or not within ``training.memory_limit``, and EnvironmentFault
    where not in what is free.
    """
    training, sizes = spec.training, step_sizes(spec, graph, **given)
    cost = graph.cost(
        precision=training.precision,
        moments=len(training.optimizer.moments),
        recompute="stacks",
        frozen=frozen_names(graph, training),
        whole_logits=not overhead_of(framework).spares,
        **sizes,
    )

    def enough(least: int) -> int:
        return least_limit(spec, lambda one: streamed(one, graph, framework, **given).memory, least)

    parts = units(graph, most=unit_values(graph, training, framework, enough))
    values = _Values.of(parts, graph, training)
    rows = step_rows(spec)
    memory = _memory(
        values,
        cost,
        _after_layers(graph, cost, training.precision),
        training,
        overhead_of(framework),
        -(-rows // sizes["batch"]),
    )
    backward = (cost.training_flops - cost.flops) * rows // sizes["batch"]
    phases = _phases(values, _Traffic.of(training), cost.flops * rows // sizes["batch"], backward)
    return Streamed(values.units, memory, _disk(values, training), phases)


@dataclass(frozen=True)
class _Traffic:
    """Bytes that a value takes: of a weight, of its moments, of a gradient that is kept in a file."""

    weight: int
    moments: int
    spilled: int

    @classmethod
    def of(cls, training: Training) -> _Traffic:
        wide = held_bytes(training.precision)
        clips = training.optimizer.max_gradient_norm is not None
        return cls(wide, wide * len(training.optimizer.moments), wide if clips else 0)

    @property
    def slot(self) -> int:
        """What it takes of a slot."""
        return self.weight + self.moments + self.spilled


@dataclass(frozen=True)
class _Values:
    """Numbers of values, and of those among them that are trained.

    ``changed`` are in units with any of these; ``apart`` are in units that are a part of a layer; ``tied`` are in
    tables that are read before and behind the layers.
    """

    units: Units
    apart: int
    tied: int
    streamed: int
    streamed_trained: int
    changed: int
    resident: int
    resident_trained: int

    @classmethod
    def of(cls, parts: Units, graph: Graph, training: Training) -> _Values:
        frozen = frozen_names(graph, training)

        def counted(table: Mapping[str, Parameter]) -> tuple[int, int]:
            trained = [each.size for name, each in table.items() if each.trainable and name not in frozen]
            return sum(each.size for each in table.values()), sum(trained)

        inside = [counted(unit.parameters) for unit in parts.streamed]
        changed = sum(values for values, trained in inside if trained)
        streamed, streamed_trained = (sum(each) for each in zip(*inside, strict=True))
        apart = sum(unit.size for unit in parts.streamed if not unit.is_whole)
        tables = {
            ref.source: graph.spec_of(ref).elements
            for node in graph.nodes.values()
            for ref in node.inputs.values()
            if ref.output == "table"
        }
        tied = sum(
            size
            for source, size in tables.items()
            if any(
                name.startswith(f"{source}.") and each.size == size and name not in frozen
                for name, each in parts.resident.items()
            )
        )
        return cls(parts, apart, tied, streamed, streamed_trained, changed, *counted(parts.resident))


def _values_within(
    graph: Graph, limit: int | None, framework: str | None, kept: int, slot: int, enough: Callable[[int], int]
) -> int:
    """``kept`` and ``slot`` are the bytes of a value that stays, and of one in a slot."""
    library = overhead_of(framework).library
    stays = kept * sum(each.size for each in units(graph).resident.values())
    room = limit or machine.available_bytes()
    smallest = units(graph, most=1).largest
    slots = math.ceil(SLOTS * slot * smallest.size / _SHARE)
    least = library + stays + slots
    if room >= least:
        return int(_SHARE * (room - library - stays)) // (SLOTS * slot)
    why = (
        f"{bytes_text(room)} are too little to stream layers through, which takes "
        f"{bytes_text(rounded_up(least))}: the framework {bytes_text(library)}, weights that stay in memory, "
        f"with what is computed of them, {bytes_text(stays)}, and {SLOTS} slots for {smallest.path} "
        f"({smallest.size:,} values) with as much for what is computed {bytes_text(slots)}"
    )
    if limit is not None:
        raise SpecError(Problem(f"{why}; raise it to {bytes_text(enough(least))}", "training.memory_limit"))
    raise EnvironmentFault(f"{why}; free some memory, or take a machine with more")


def _memory(
    values: _Values, cost: GraphCost, after: int, training: Training, overhead: Overhead, together: int
) -> dict[str, int]:
    """The peak by name; ``after`` are the bytes that what follows the last layer keeps of one micro-batch.

    ``together`` micro-batches share one reading of a layer, and each keeps the layers' inputs, and its gradient of a
    table that is read at both ends unless there is one sum for all. Beside these there is
    either what follows the layers, with the gradient of a table, or one layer that is computed again: never both.
    """
    one, wide = _Traffic.of(training), held_bytes(training.precision)
    largest = values.units.largest.size
    biggest = max((each.size for each in values.units.resident.values()), default=0)
    gradients = (values.resident_trained + largest) * wide
    inputs, again = (cost.bytes["activations"] - after) * together, cost.bytes["recomputed"]
    at_head = round(overhead.working * after) + overhead.streamed * biggest * wide
    in_layer = round(overhead.working * again)
    is_at_head = after + at_head > again + in_layer
    return {
        "weights": values.resident * wide,
        "copies": cost.bytes["copies"],
        "gradients": gradients,
        "accumulated": gradients if together > 1 and overhead.sums else (together - 1) * values.tied * wide,
        "slots": SLOTS * largest * one.slot + SPARES * largest * one.spilled,
        "activations": inputs + (after if is_at_head else 0),
        "recomputed": 0 if is_at_head else again,
        "working": at_head if is_at_head else in_layer,
        "library": overhead.library,
    }


def _after_layers(graph: Graph, cost: GraphCost, precision: str) -> int:
    """Bytes that the nodes after the last one with layers keep: they are done with before the next micro-batch."""
    with_layers = {place.path.partition(".")[0] for place in stack_layers(graph)}
    names = [tree.row.name for tree in cost.trees]
    last = max(names.index(name) for name in names if graph.nodes[name].owner in with_layers)
    kept = sum(tree.row.saved for tree in cost.trees[last + 1 :]) * held_bytes(precision)
    return min(kept, cost.bytes["activations"])


def _disk(values: _Values, training: Training) -> dict[str, int]:
    one = _Traffic.of(training)
    trained = values.streamed_trained + values.resident_trained
    checkpoint = (values.streamed + values.resident) * one.weight + trained * one.moments
    return {
        "checkpoint": checkpoint,
        "working": checkpoint - values.resident * one.weight,
        "gradients": values.streamed_trained * one.spilled,
    }


def _phases(values: _Values, one: _Traffic, forward: int, backward: int) -> dict[str, Phase]:
    """The parts of a step. A layer in parts runs once more on the way back, for the inputs of its parts."""
    backward += forward * values.apart // max(1, values.streamed)
    again = values.apart * one.weight
    weights, moments = values.streamed * one.weight, values.streamed_trained * one.moments
    resident = values.resident_trained * one.moments
    changed, spilled = values.changed * one.weight, values.streamed_trained * one.spilled
    if not spilled:
        return {
            "forward": Phase(forward, weights, 0),
            "backward": Phase(backward, again + weights + moments + resident, changed + moments + resident),
        }
    return {
        "forward": Phase(forward, weights, 0),
        "backward": Phase(backward, again + weights, spilled),
        "update": Phase(0, changed + moments + spilled + resident, changed + moments + resident),
    }
