"""A placement for people at a terminal."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from zoo_common.report.placement import Placement
from zoo_common.report.placement_words import ANOTHER, execution_rows, machine_rows, size_rows, time_rows
from zoo_common.report.terminal import facts, section


def print_placement(found: Placement, console: Console) -> None:
    """All of it."""
    sizes = ", ".join(f"{name} {size}" for name, size in found.sizes.items())
    needs = "" if found.framework is None else f" in {found.framework}"
    console.print(Text(f"{found.spec.name}{needs}, at {sizes}", style="bold"))
    section(console, "Machine", facts(machine_rows(found.machine)))
    section(console, "Execution", facts(execution_rows(found)))
    section(console, "Memory, at its peak", facts(size_rows(found.memory)))
    section(console, "Disk", facts(size_rows(found.disk)))
    section(console, "A step", facts(time_rows(found)))
    if found.is_another:
        section(console, "It is another training", Text(ANOTHER))
    if found.changes:
        section(console, "To train it so", facts([("--set", setting) for setting in found.settings]))
