"""A refusal of what fits neither into memory nor onto the disk, with the arithmetic and the remedy."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from zoo_common.files import explained
from zoo_common.memory import machine
from zoo_common.memory.sizes import step_sizes
from zoo_common.memory.streaming import Streamed, least_limit, streamed
from zoo_common.memory.training import training_bytes
from zoo_common.speeds import free_bytes
from zoo_common.units import bytes_text
from zoo_spec.errors import EnvironmentFault, ZooError
from zoo_spec.experiment import ExperimentSpec
from zoo_spec.graph import Graph


def require_memory(
    spec: ExperimentSpec,
    graph: Graph,
    framework: str | None = None,
    *,
    available: int | None = None,
    replicas: int = 1,
) -> None:
    """Raise EnvironmentFault, with the arithmetic and the remedy, if training does not fit.

    ``available`` is measured unless it is given. It is the host's memory: a device's own is not known here. A
    training that streams keeps within its ``memory_limit`` too. Of several ``replicas`` one is to fit.
    """
    free = machine.available_bytes() if available is None else available
    limit = spec.training.memory_limit if spec.training.streams else None
    room = free if limit is None else min(free, limit)
    parts = training_bytes(spec, graph, framework, replicas=replicas)
    total = sum(parts.values())
    if total <= room:
        return
    sizes = ", ".join(f"{name} {size}" for name, size in step_sizes(spec, graph).items())
    has = "are available" if room == free else "are training.memory_limit"
    raise EnvironmentFault(
        f"{spec.name} does not fit into memory: training it needs {bytes_text(total)}, and "
        f"{bytes_text(room)} {has}\n{_sum(parts)}  ({sizes})\n{_remedy(spec, graph, framework, room)}"
    )


def require_disk(spec: ExperimentSpec, graph: Graph, folder: Path, framework: str | None = None) -> None:
    """Raise EnvironmentFault, with the arithmetic, if the files of a training that streams do not fit into a folder.

    What lies there already, of a run that goes on, counts as room: it is among them.
    """
    if not spec.training.streams:
        return
    parts = streamed(spec, graph, framework).disk
    with explained("read", folder):
        own = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    room = free_bytes(folder) + own
    if sum(parts.values()) > room:
        raise EnvironmentFault(f"{folder}: {too_small(spec.name, parts, room)}")


def too_small(name: str, parts: Mapping[str, int], room: int) -> str:
    """That a disk has no room for the files, with the arithmetic."""
    return (
        f"the disk has no room for {name}: streaming its weights takes {bytes_text(sum(parts.values()))}, and "
        f"{bytes_text(room)} are free\n{_sum(parts)}\n"
        "free some of it, or give a run directory on a larger disk"
    )


def _sum(parts: Mapping[str, int]) -> str:
    lines = [f"  {name:<12}{bytes_text(size):>12}\n" for name, size in parts.items() if size]
    return f"{''.join(lines)}  {'sum':<12}{bytes_text(sum(parts.values())):>12}"


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


def largest_batch(spec: ExperimentSpec, graph: Graph, room: int, framework: str | None = None) -> int | None:
    """The largest ``batch_size``, one example at once, that fits into ``room`` bytes; None if there is none.

    It is another training; where weights are streamed, each example of a step keeps the inputs of all layers.
    """

    def fits(size: int) -> bool:
        return sum(training_bytes(in_batches(spec, size, 1), graph, framework).values()) <= room

    most, too_large = 0, spec.training.batch_size + 1
    while too_large - most > 1:
        middle = (most + too_large) // 2
        most, too_large = (middle, too_large) if fits(middle) else (most, middle)
    return most or None


def streams_within(
    spec: ExperimentSpec, graph: Graph, room: int, framework: str | None = None
) -> tuple[ExperimentSpec, Streamed] | None:
    """The spec streamed within ``room`` bytes of memory, and what that takes; None where it does not fit.

    The micro-batch is the spec's, or the largest that fits.
    """
    update = {"execution": "weight_streaming", "memory_limit": room}
    one = spec.model_copy(update={"training": spec.training.model_copy(update=update)})
    try:
        if sum(training_bytes(one, graph, framework).values()) > room:
            fits = largest_micro_batch(one, graph, room, framework)
            if fits is None:
                return None
            one = in_batches(one, one.training.batch_size, fits)
        return one, streamed(one, graph, framework)
    except ZooError:
        return None


def in_batches(spec: ExperimentSpec, batch_size: int, micro_batch_size: int) -> ExperimentSpec:
    """The spec with steps of so many examples, so many at once."""
    update = {"batch_size": batch_size, "micro_batch_size": micro_batch_size}
    return spec.model_copy(update={"training": spec.training.model_copy(update=update)})


def _needed(spec: ExperimentSpec, graph: Graph, framework: str | None, micro_batch: int) -> int:
    return sum(
        training_bytes(in_batches(spec, spec.training.batch_size, micro_batch), graph, framework).values()
    )


def _remedy(spec: ExperimentSpec, graph: Graph, framework: str | None, room: int) -> str:
    found = [_smaller(spec, graph, framework, room), _streaming(spec, graph, framework, room)]
    return "; or ".join(filter(None, found)) or _nothing(spec, graph, framework, room)


def _smaller(spec: ExperimentSpec, graph: Graph, framework: str | None, room: int) -> str:
    """Which micro-batch fits, in words; nothing where none does."""
    fits = largest_micro_batch(spec, graph, room, framework)
    if fits is None:
        return ""
    return (
        f"set training.micro_batch_size to {fits}, which needs "
        f"{bytes_text(_needed(spec, graph, framework, fits))} and trains the same: "
        f"--set training.micro_batch_size={fits}"
    )


def _streaming(spec: ExperimentSpec, graph: Graph, framework: str | None, room: int) -> str:
    """How it trains with its weights in files, in words; nothing where it does not, or does already."""
    alone = spec.training.sharding == "none" and not spec.training.streams
    found = None if not alone else streams_within(spec, graph, room, framework)
    if found is None:
        return ""
    within, files = found
    size = within.training.micro_batch_size
    setting = f" --set training.micro_batch_size={size}" if size != spec.training.micro_batch_size else ""
    return (
        f"keep the weights in files, which needs {bytes_text(sum(files.memory.values()))} of memory and "
        f"{bytes_text(sum(files.disk.values()))} of disk, reads and writes "
        f"{bytes_text(files.read + files.written)} a step, and trains the same: "
        f"--set training.execution=weight_streaming{setting}"
    )


def _nothing(spec: ExperimentSpec, graph: Graph, framework: str | None, room: int) -> str:
    least = bytes_text(min(_needed(spec, graph, framework, size) for size in (1, spec.training.batch_size)))
    shorter = "a shorter data.sequence_length, " if "sequence" in graph.bounds else ""
    fewer = ""
    if spec.training.streams:
        batch = largest_batch(spec, graph, room, framework)
        most = "" if batch is None else f" (at most {batch:,})"
        fewer = f"fewer examples a step, all of which keep their layers' inputs: training.batch_size{most}, "
    more = "free some memory"
    if room == spec.training.memory_limit:
        fits = least_limit(spec, lambda one: training_bytes(one, graph, framework), room)
        more = f"raise training.memory_limit to {bytes_text(fits)}"
    return (
        f"no training.micro_batch_size makes it fit, the least is {least}: {more}, or take "
        f"{fewer}{shorter}a smaller model, or a machine with more"
    )
