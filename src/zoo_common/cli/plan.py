"""``zoo plan``: what a training would take on a machine that need not be at hand."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zoo_common.cli.options import (
    JsonOption,
    MaybeFrameworkOption,
    SetOption,
    SpecOption,
    example,
    require_framework,
)

if TYPE_CHECKING:
    from zoo_common.report.placement import Machine, Placement
    from zoo_spec.experiment import ExperimentSpec


def register(app: typer.Typer) -> None:
    """Add the command."""
    examples = (
        "zoo plan --spec gpt3_175b --disk 3GB/s --memory 64GB",
        "zoo plan --spec gpt3_6p7b --memory 24GB --disk 1GB/s --disk-size 500GB --compute 2TFLOP/s --json",
        "zoo plan --spec bert_base --set training.micro_batch_size=64",
    )
    app.command("plan", epilog=example(*examples))(plan)


def plan(
    spec: SpecOption,
    overrides: SetOption = None,
    framework: MaybeFrameworkOption = None,
    memory: Annotated[
        str | None, typer.Option(metavar="BYTES", help="Memory that training may take: 64GB, 16GiB.")
    ] = None,
    disk: Annotated[
        str | None, typer.Option(metavar="RATE", help="How fast the disk reads and writes: 3GB/s.")
    ] = None,
    disk_size: Annotated[
        str | None, typer.Option("--disk-size", metavar="BYTES", help="What is free on it: 2TB.")
    ] = None,
    compute: Annotated[
        str | None, typer.Option(metavar="RATE", help="How fast matrices are multiplied: 200GFLOP/s.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Say how a training would fit onto a machine: in memory, or with its weights in files.

    Of what trains the same, the first that fits: as the spec says, with a smaller micro-batch, recomputing, with
    weights streamed from files. With the peak of memory, bytes of disk, bytes and time of a step, time of the whole.
    What is not said of the machine is what this one has, which is measured in a second. No framework is loaded; where
    none is named, it is the one that needs most. Exit status 3 where nothing fits.
    """
    from zoo_common.cli.output import print_json, to_a_reader
    from zoo_common.memory import too_small
    from zoo_common.report.placement import planned
    from zoo_common.report.placement_words import to_json
    from zoo_spec import load_spec
    from zoo_spec.errors import EnvironmentFault

    if framework is not None:
        require_framework(framework)
    loaded = load_spec(spec, overrides or ())
    machine = _machine(loaded, memory, disk, disk_size, compute)
    found = planned(loaded, loaded.graph(), machine, framework)
    with to_a_reader():
        if as_json:
            print_json({"name": loaded.name, "framework": framework, **to_json(found)})
        else:
            _print(found)
    if machine.room is not None and sum(found.disk.values()) > machine.room:
        raise EnvironmentFault(too_small(loaded.name, found.disk, machine.room))


def _machine(
    spec: ExperimentSpec, memory: str | None, disk: str | None, disk_size: str | None, compute: str | None
) -> Machine:
    """The machine that the options describe; this one's figures where they say nothing."""
    from zoo_common.memory import available_bytes
    from zoo_common.report.placement import Machine
    from zoo_common.speeds import DiskSpeed, disk_speed, free_bytes, product_speed

    said = None if disk is None else _rate(disk, "B", "--disk", "3GB/s")
    flops = None if compute is None else _rate(compute, "FLOP", "--compute", "200GFLOP/s")
    room = free_bytes(Path()) if said is None else None
    room = room if disk_size is None else _bytes(disk_size, "--disk-size", "2TB")
    has = None if memory is None else _bytes(memory, "--memory", "64GB")
    dtype = "float64" if spec.training.precision == "float64" else "float32"
    return Machine(
        available_bytes() if has is None else has,
        disk_speed(Path()) if said is None else DiskSpeed(said, said),
        product_speed(dtype) if flops is None else flops,
        room,
    )


def _bytes(text: str, option: str, such_as: str) -> int:
    from zoo_spec.training.byte_counts import byte_count

    try:
        found = byte_count(text)
    except ValueError:
        found = 0
    if not isinstance(found, int) or found <= 0:
        raise typer.BadParameter(f"{text!r} is no number of bytes, such as {such_as}", param_hint=option)
    return found


def _rate(text: str, unit: str, option: str, such_as: str) -> float:
    from zoo_common.units import rate_of

    found = rate_of(text, unit)
    if found is None:
        raise typer.BadParameter(f"{text!r} is no rate, such as {such_as}", param_hint=option)
    return found


def _print(found: Placement) -> None:
    from zoo_common.report.placement_terminal import print_placement
    from zoo_common.screen import console

    print_placement(found, console())
