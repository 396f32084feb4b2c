"""A placement in words, a row a fact, and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pydantic import JsonValue

from zoo_common.memory import step_rows
from zoo_common.report.placement import Machine, Placement
from zoo_common.units import bytes_text, counted, parameters_text, seconds_text, short

ANOTHER = (
    "All examples of a step keep the inputs of their layers, and those of the spec's training.batch_size do not fit; "
    "so many of them do. Take a machine with more memory, or change the learning rate and the steps with the batch."
)
"""What there is to say of a placement that ``is_another``."""

Rows = list[tuple[str, str]]


def machine_rows(found: Machine) -> Rows:
    """Memory, speeds, room on the disk where it is known."""
    one = bytes_text(round(found.disk.read))
    both = (
        one
        if found.disk.read == found.disk.written
        else f"{one}/s read, {bytes_text(round(found.disk.written))}"
    )
    room = "" if found.room is None else f", {bytes_text(found.room)} free"
    return [
        ("memory", bytes_text(found.memory)),
        ("disk", f"{both}/s{' written' if both != one else ''}{room}"),
        ("computing", f"{short(round(found.flops))}FLOP/s"),
    ]


def execution_rows(found: Placement) -> Rows:
    """Where the weights are, in which pieces, and how many examples are computed with at once."""
    training = found.spec.training
    again = ", with recompute" if training.recompute and found.streams is None else ""
    rows = [
        ("execution", f"{training.execution}{again}"),
        ("at once", f"{counted(found.sizes['batch'], 'example')} of {step_rows(found.spec):,} a step"),
    ]
    if found.streams is not None:
        units = found.streams.units
        most = parameters_text(units.largest.size)
        resident = sum(each.size for each in units.resident.values())
        rows.append(
            (
                "streamed",
                f"{counted(len(units.streamed), 'piece')} of at most {most} parameters ({units.largest.path})",
            )
        )
        rows.append(
            ("in memory", f"{parameters_text(resident)} parameters: {', '.join(_blocks(units.resident))}")
        )
    return rows


def size_rows(sizes: Mapping[str, int]) -> Rows:
    """Each term, and the sum."""
    rows = [(name, bytes_text(size)) for name, size in sizes.items() if size]
    return [*rows, ("sum", bytes_text(sum(sizes.values())))]


def time_rows(found: Placement) -> Rows:
    """What a step reads, writes and computes, and how long that takes."""
    time = found.time
    rows: Rows = []
    if found.streams is not None:
        read, written = bytes_text(found.streams.read), bytes_text(found.streams.written)
        rows.append(("reads, writes", f"{read}, {written}: {seconds_text(time.files)}"))
    rows.append(("computes", seconds_text(time.computing)))
    waiting = f", of which it waits for files {seconds_text(time.waiting)}" if time.waiting else ""
    rows.append(("takes", f"{seconds_text(time.step)}{waiting}"))
    steps = counted(found.spec.training.steps, "step")
    rows.append(
        ("whole training", f"{seconds_text(found.seconds)} ({steps}), evaluations and saves left out")
    )
    return rows


def placement_rows(found: Placement) -> Rows:
    """All but the memory of what streams."""
    disk = ", ".join(f"{name} {bytes_text(size)}" for name, size in found.disk.items() if size)
    return [
        *execution_rows(found)[1:],
        ("files", f"{bytes_text(sum(found.disk.values()))} of disk: {disk}"),
        *machine_rows(found.machine)[1:],
        *time_rows(found),
    ]


def to_json(found: Placement) -> dict[str, JsonValue]:
    """Plain JSON values: bytes, seconds, bytes and FLOPs a second."""
    training, files = found.spec.training, found.streams
    return {
        "execution": training.execution,
        "recompute": training.recompute or files is not None,
        "batch_size": step_rows(found.spec),
        "micro_batch_size": found.sizes["batch"],
        "steps": training.steps,
        "sizes": dict(found.sizes),
        "memory": {**found.memory, "sum": sum(found.memory.values())},
        "disk": {**found.disk, "sum": sum(found.disk.values())},
        "units": None
        if files is None
        else {
            "count": len(files.units.streamed),
            "largest": files.units.largest.path,
            "largest_parameters": files.units.largest.size,
            "streamed_parameters": sum(unit.size for unit in files.units.streamed),
            "resident_parameters": sum(each.size for each in files.units.resident.values()),
        },
        "step": {
            "read_bytes": 0 if files is None else files.read,
            "written_bytes": 0 if files is None else files.written,
            "computing_seconds": found.time.computing,
            "files_seconds": found.time.files,
            "waiting_seconds": found.time.waiting,
            "seconds": found.time.step,
        },
        "settings": list(found.settings),
        "trains_the_same": not found.is_another,
        "training_seconds": found.seconds,
        "machine": {
            "memory": found.machine.memory,
            "disk_read": found.machine.disk.read,
            "disk_written": found.machine.disk.written,
            "disk_free": found.machine.room,
            "flops": found.machine.flops,
        },
    }


def _blocks(names: Mapping[str, object]) -> Iterator[str]:
    """The blocks that weights belong to, by their paths, each once."""
    return iter(dict.fromkeys(name.rpartition(".")[0] for name in names))
