"""What training holds in memory, what this machine has, and a refusal with the arithmetic."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import psutil

from zoo_common.units import bytes_text
from zoo_spec.cost import held_bytes
from zoo_spec.data import Padded
from zoo_spec.errors import EnvironmentFault
from zoo_spec.experiment import ExperimentSpec
from zoo_spec.frameworks import overhead_of
from zoo_spec.graph import Graph
from zoo_spec.trained import frozen_names

_UNLIMITED = 1 << 60
"""Version 1 of cgroups writes "no limit" as a number a little below 2**63."""


def step_sizes(spec: ExperimentSpec, graph: Graph, **given: int) -> dict[str, int]:
    """The sizes of the open dimensions in one micro-batch, as the spec's data makes it.

    ``given`` wins; a dimension of which the data says nothing is 1. None is beyond its bounds. In buckets they are
    those of the largest.
    """
    length = _said(spec, "sequence_length")
    wanted = {
        "batch": min(spec.training.micro_batch_size or step_rows(spec), step_rows(spec)),
        "sequence": _within(spec, "sequence", length),
        "target_sequence": _said(spec, "target_length") or length,
        "predictions": _said(spec, "max_predictions"),
        "samples": _within(spec, "samples", _said(spec, "waveform_samples")),
    }
    other = None if "sequence" in graph.bounds else _said(spec, "open_size")
    sizes = {}
    for name, bound in graph.bounds.items():
        size = max(wanted.get(name) or other or 1, bound.minimum)
        sizes[name] = size if bound.maximum is None else min(size, bound.maximum)
    return {**sizes, **given}


def training_bytes(
    spec: ExperimentSpec, graph: Graph, framework: str | None = None, **given: int
) -> dict[str, int]:
    """Bytes that training holds at its peak, by name, at the micro-batch size and the data's sizes.

    ``copies`` are the weights as bfloat16 products take them; ``activations`` are kept for the backward pass,
    ``recomputed`` are those of one layer at a time, which is computed again or, being frozen, keeps none;
    ``accumulated`` is the running sum of the gradients, where micro-batches add up to a batch; ``working`` is what
    comes and goes; ``library`` is the framework's own;
    ``saving`` is what a checkpoint's copies need beyond what the step has let go of by then, no part of a step.
    A framework that is not known counts as the one that needs most. ``given`` are sizes of open dimensions to
    use instead.
    """
    training = spec.training
    overhead = overhead_of(framework)
    parts = graph.cost(
        precision=training.precision,
        moments=len(training.optimizer.moments),
        recompute=training.recompute,
        frozen=frozen_names(graph, training),
        **step_sizes(spec, graph, **given),
    ).bytes
    rows = step_rows(spec)
    accumulates = overhead.sums and (training.micro_batch_size or rows) < rows
    passing = parts["activations"] + parts["recomputed"]
    largest = max((parameter.size for _, parameter, _ in graph.folded_parameters), default=0)
    working = round(overhead.working * passing) + overhead.largest * largest * held_bytes(training.precision)
    let_go = 0 if overhead.keeps else parts["copies"] + parts["gradients"] + passing + working
    return {
        "weights": parts["weights"],
        "copies": parts["copies"],
        "gradients": parts["gradients"],
        "accumulated": parts["gradients"] if accumulates else 0,
        "optimizer": parts["optimizer"],
        "activations": parts["activations"],
        "recomputed": parts["recomputed"],
        "working": working,
        "library": overhead.library,
        "saving": max(0, parts["weights"] + parts["optimizer"] - let_go),
    }


def available_bytes() -> int:
    """What this process may still take: the machine's free memory, or less where a cgroup limits it."""
    return min([int(psutil.virtual_memory().available), *_cgroup_room(Path("/"))])


def require_memory(
    spec: ExperimentSpec, graph: Graph, framework: str | None = None, *, available: int | None = None
) -> None:
    """Raise EnvironmentFault, with the arithmetic and the remedy, if training does not fit.

    ``available`` is measured unless it is given. It is the host's memory: a device's own is not known here.
    """
    room = available_bytes() if available is None else available
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


def uncut(spec: ExperimentSpec) -> ExperimentSpec:
    """The spec whose examples are as long as its data says: batching cuts those that are trained on alone."""
    return spec.model_copy(update={"data": spec.data.model_copy(update={"batching": Padded()})})


def step_rows(spec: ExperimentSpec) -> int:
    """Rows of a step's batch, in buckets those of the largest."""
    size = spec.data.size
    longest = None if size is None else _within(spec, size[0], _said(spec, size[1]))
    batch_size = spec.training.batch_size
    return batch_size if longest is None else max(1, spec.data.batching.rows(longest, batch_size))


def _within(spec: ExperimentSpec, dimension: str, size: int | None) -> int | None:
    """The size of an example of the data, as far as its batching takes longer ones."""
    most = spec.data.batching.longest
    is_told = spec.data.size is not None and spec.data.size[0] == dimension
    return size if size is None or most is None or not is_told else min(size, most)


def _said(spec: ExperimentSpec, field: str) -> int | None:
    value = getattr(spec.data, field, None)
    return value if isinstance(value, int) else None


def _cgroup_room(root: Path) -> Iterator[int]:
    """What each control group around this process still allows; nothing where there are none or no limit.

    ``root`` is the file system's, for tests.
    """
    mount = root / "sys/fs/cgroup"
    for line in _lines(root / "proc/self/cgroup"):
        controllers, _, path = line.partition(":")[2].partition(":")
        if not controllers:
            names, base = ("memory.max", "memory.current", "inactive_file"), mount
        elif "memory" in controllers.split(","):
            base = mount / "memory"
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        else:
            continue
        # Inside a container the path is the host's, and the group's own files lie at the top.
        group = base / path.strip("/")
        for folder in [group, *group.parents]:
            if folder == base or base in folder.parents:
                yield from _group_room(folder, *names)


def _group_room(folder: Path, limit_file: str, used_file: str, reclaimable: str) -> Iterator[int]:
    limit, used = _number(folder / limit_file), _number(folder / used_file)
    if limit is None or used is None or limit >= _UNLIMITED:
        return
    # Cached files count as used, and are dropped when somebody needs the room.
    cache = _statistics(folder / "memory.stat").get(reclaimable, 0)
    yield max(limit - max(used - cache, 0), 0)


def _number(path: Path) -> int | None:
    text = " ".join(_lines(path)).strip()
    return int(text) if text.isdecimal() else None


def _statistics(path: Path) -> Mapping[str, int]:
    rows = [line.split() for line in _lines(path)]
    return {row[0]: int(row[1]) for row in rows if len(row) == 2 and row[1].isdecimal()}


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
