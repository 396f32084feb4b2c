"""Where a training's weights lie on a machine, and what it then takes of memory, disk and time."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from pydantic import JsonValue

from zoo_common.memory import (
    Phase,
    StepTime,
    Streamed,
    available_bytes,
    in_batches,
    largest_batch,
    largest_micro_batch,
    require_memory,
    step_rows,
    step_sizes,
    step_time,
    streamed,
    training_bytes,
)
from zoo_common.speeds import DiskSpeed, disk_speed, free_bytes, product_speed
from zoo_spec.errors import ZooError
from zoo_spec.experiment import ExperimentSpec
from zoo_spec.graph import Graph
from zoo_spec.trained import frozen_names

_KEPT = 3
"""Checkpoints on the disk while a resident run writes one: it keeps two."""


@dataclass(frozen=True)
class Machine:
    """Bytes of memory, speeds of the disk and of computing (FLOPs a second); bytes free on the disk, if known."""

    memory: int
    disk: DiskSpeed
    flops: float
    room: int | None = None


@dataclass(frozen=True)
class Placement:
    """What a training takes on a machine, executed as ``spec`` says.

    Bytes: ``memory`` at its peak and ``disk``, by name. ``streams`` is what is streamed, if weights are; ``time`` is
    that of a step.
    """

    spec: ExperimentSpec
    framework: str | None
    machine: Machine
    sizes: Mapping[str, int]
    memory: Mapping[str, int]
    disk: Mapping[str, int]
    streams: Streamed | None
    time: StepTime
    changes: Mapping[str, JsonValue] = field(default_factory=dict)
    """Of the spec's ``training``, where ``planned`` chose other than the spec says."""

    @property
    def is_another(self) -> bool:
        """Whether it does not train as the spec does, because so many examples a step do not fit."""
        return "batch_size" in self.changes

    @property
    def settings(self) -> list[str]:
        """What ``--set`` takes to have it so."""
        return [
            f"training.{name}={value if isinstance(value, str) else json.dumps(value)}"
            for name, value in self.changes.items()
        ]

    @property
    def seconds(self) -> float:
        """Of the whole training, saves and evaluations left out."""
        return self.time.step * self.spec.training.steps


def this_machine(folder: Path, precision: str) -> Machine:
    """This one, measured in a second or two; files will lie in ``folder``."""
    dtype = "float64" if precision == "float64" else "float32"
    return Machine(available_bytes(), disk_speed(folder), product_speed(dtype), free_bytes(folder))


def placed(
    spec: ExperimentSpec, graph: Graph, machine: Machine, framework: str | None = None, **given: int
) -> Placement:
    """What the training takes as the spec says; ``given`` are sizes to use instead of the data's."""
    sizes = step_sizes(spec, graph, **given)
    files = streamed(spec, graph, framework, **given) if spec.training.streams else None
    return Placement(
        spec,
        framework,
        machine,
        sizes,
        training_bytes(spec, graph, framework, **given),
        files.disk if files else _checkpoints(spec, graph),
        files,
        step_time(
            files.phases.values() if files else [_step(spec, graph, sizes)], machine.disk, machine.flops
        ),
    )


def planned(spec: ExperimentSpec, graph: Graph, machine: Machine, framework: str | None = None) -> Placement:
    """The least change to the spec that fits into the machine's memory.

    In this order: as it is, with a smaller micro-batch, with recomputation, with its weights in files, all of which
    train the same; then with fewer examples a step, which does not. Raises EnvironmentFault, with the arithmetic,
    where none fits.
    """
    last = spec
    for each in _executions(spec, graph, machine.memory):
        try:
            fits = _fitting(each, graph, machine.memory, framework)
        except ZooError:  # The memory does not even leave room for what has to stay there.
            continue
        if fits is not None:
            return replace(placed(fits, graph, machine, framework), changes=_changes(spec, fits))
        last = each
    batch = largest_batch(last, graph, machine.memory, framework) if last.training.streams else None
    if batch is not None:
        fewer = in_batches(last, batch, 1)
        return replace(placed(fewer, graph, machine, framework), changes=_changes(spec, fewer))
    require_memory(last, graph, framework, available=machine.memory)
    raise AssertionError("a training that does not fit was not refused")


def _executions(spec: ExperimentSpec, graph: Graph, memory: int) -> Iterator[ExperimentSpec]:
    resident: dict[str, object] = {"execution": "resident", "memory_limit": None}
    yield _with(spec, **resident)
    if graph.has_layers and not spec.training.recompute:
        yield _with(spec, **resident, recompute=True)
    if graph.has_stack:
        yield _with(spec, execution="weight_streaming", memory_limit=memory)


def _fitting(spec: ExperimentSpec, graph: Graph, memory: int, framework: str | None) -> ExperimentSpec | None:
    if sum(training_bytes(spec, graph, framework).values()) <= memory:
        return spec
    size = largest_micro_batch(spec, graph, memory, framework)
    return None if size is None else _with(spec, micro_batch_size=size)


def _changes(before: ExperimentSpec, after: ExperimentSpec) -> dict[str, JsonValue]:
    """Fields of ``training`` that differ."""
    old, new = (each.training.model_dump(mode="json") for each in (before, after))
    return {name: value for name, value in new.items() if value != old[name]}


def _with(spec: ExperimentSpec, **changes: object) -> ExperimentSpec:
    return spec.model_copy(update={"training": spec.training.model_copy(update=changes)})


def _step(spec: ExperimentSpec, graph: Graph, sizes: Mapping[str, int]) -> Phase:
    """A step that reads and writes nothing."""
    frozen = frozen_names(graph, spec.training)
    cost = graph.cost(
        precision=spec.training.precision,
        recompute=spec.training.recompute,
        frozen=frozen,
        whole_logits=False,
        **sizes,
    )
    return Phase(cost.training_flops * step_rows(spec) // sizes["batch"], 0, 0)


def _checkpoints(spec: ExperimentSpec, graph: Graph) -> dict[str, int]:
    parts = graph.cost(
        precision=spec.training.precision,
        moments=len(spec.training.optimizer.moments),
        frozen=frozen_names(graph, spec.training),
    ).bytes
    return {"checkpoints": _KEPT * (parts["weights"] + parts["optimizer"])}
