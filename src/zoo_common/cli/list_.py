"""``zoo list``: the specs that come with Zoo."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

import typer

from zoo_common.cli.options import JsonOption, example

if TYPE_CHECKING:
    from zoo_common.report.catalog import Shipped


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("list", epilog=example("zoo list", "zoo list --json"))(list_specs)


def list_specs(as_json: JsonOption = False) -> None:
    """List the specs that come with Zoo.

    By family, with their numbers of parameters, their task, what they read, and what they are.
    """
    from dataclasses import asdict

    from zoo_common.cli.output import print_json
    from zoo_common.report.catalog import shipped

    rows = shipped()
    if as_json:
        print_json({"specs": [asdict(row) for row in rows]})
    else:
        _print_table(rows)


def _print_table(rows: list[Shipped]) -> None:
    from rich.padding import Padding
    from rich.text import Text

    from zoo_common.cli.output import console

    out = console()
    name, size = max(len(row.name) for row in rows), max(len(f"{row.parameters:,}") for row in rows)
    reads = max(len(row.input) for row in rows)
    for family, members in groupby(rows, key=lambda row: row.family):
        out.print(Text(family, style="bold cyan"))
        for row in members:
            line = Text(f"  {row.name:<{name}}  ").append(
                f"{row.parameters:>{size},} parameters", style="bold"
            )
            out.print(line.append(f"  {row.input:<{reads}}  {row.task}"))
            out.print(Padding(Text(row.summary, style="dim"), (0, 0, 0, 4), expand=False))
