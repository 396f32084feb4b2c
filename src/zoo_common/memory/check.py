"""A refusal of what does not fit into memory, with the arithmetic and the remedy."""

from __future__ import annotations

from zoo_common.memory import machine
from zoo_common.memory.resident import training_bytes
from zoo_common.memory.sizes import step_sizes
from zoo_common.units import bytes_text
from zoo_spec.errors import EnvironmentFault
from zoo_spec.experiment import ExperimentSpec
from zoo_spec.graph import Graph


def require_memory(
    spec: ExperimentSpec, graph: Graph, framework: str | None = None, *, available: int | None = None
) -> None:
    """Raise EnvironmentFault, with the arithmetic and the remedy, if training does not fit.

    ``available`` is measured unless it is given. It is the host's memory: a device's own is not known here.
    """
    room = machine.available_bytes() if available is None else available
    parts = training_bytes(spec, graph, framework)
    total = sum(parts.values())
    if total <= room:
        return
    terms = "\n".join(f"  {name:<12}{bytes_text(size):>12}" for name, size in parts.items() if size)
    sizes = ", ".join(f"{name} {size}" for name, size in step_sizes(spec, graph).items())
    raise EnvironmentFault(
        f"{spec.name} does not fit into memory: training it needs {bytes_text(total)}, and "
        f"{bytes_text(room)} are available\n{terms}\n  {'sum':<12}{bytes_text(total):>12}  ({sizes})\n"
        f"{_remedy(spec, graph, framework, room)}"
    )


def largest_micro_batch(
    spec: ExperimentSpec, graph: Graph, room: int, framework: str | None = None
) -> int | None:
    """The largest ``micro_batch_size`` that fits into ``room`` bytes; None if there is none."""
    batch = spec.training.batch_size

    def fits(size: int) -> bool:
        return _needed(spec, graph, framework, size) <= room

    if fits(batch):  # By itself: without a sum of gradients it may need less than half of it does.
        return batch
    if batch == 1 or not fits(1):
        return None
    most, too_large = 1, batch
    while too_large - most > 1:
        middle = (most + too_large) // 2
        most, too_large = (middle, too_large) if fits(middle) else (most, middle)
    return next(size for size in range(most, 0, -1) if batch % size == 0)


def _needed(spec: ExperimentSpec, graph: Graph, framework: str | None, micro_batch: int) -> int:
    training = spec.training.model_copy(update={"micro_batch_size": micro_batch})
    return sum(training_bytes(spec.model_copy(update={"training": training}), graph, framework).values())


def _remedy(spec: ExperimentSpec, graph: Graph, framework: str | None, room: int) -> str:
    fits = largest_micro_batch(spec, graph, room, framework)
    if fits is not None:
        needs = bytes_text(_needed(spec, graph, framework, fits))
        return (
            f"set training.micro_batch_size to {fits}, which needs {needs} and trains "
            f"the same: --set training.micro_batch_size={fits}"
        )
    least = bytes_text(min(_needed(spec, graph, framework, size) for size in (1, spec.training.batch_size)))
    shorter = "a shorter data.sequence_length, " if "sequence" in graph.bounds else ""
    return (
        f"no training.micro_batch_size makes it fit, the least is {least}: free some memory, or take "
        f"{shorter}a smaller model, or a machine with more"
    )
