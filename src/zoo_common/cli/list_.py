"""``zoo list``: the specs that come with Zoo."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Annotated

import typer

from zoo_common.cli.options import JsonOption, example

if TYPE_CHECKING:
    from zoo_common.report.catalog import FamilyFacts, Shipped


def register(app: typer.Typer) -> None:
    """Add the command."""
    epilog = example("zoo list", "zoo list --json", "zoo list --markdown")
    app.command("list", epilog=epilog)(list_specs)


def list_specs(
    as_json: JsonOption = False,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Print it as a table in Markdown.")] = False,
) -> None:
    """List the specs that come with Zoo.

    By domain, use and family, with their parameters, tasks, frameworks and execution modes.
    """
    if as_json and as_markdown:
        raise typer.BadParameter("give one of --json and --markdown", param_hint="--markdown")

    from dataclasses import asdict

    from zoo_common.report.catalog import family_facts, shipped

    rows = shipped()
    families = family_facts(rows)
    if as_json:
        from zoo_common.cli.output import print_json

        print_json({"specs": [asdict(row) for row in rows], "families": [asdict(each) for each in families]})
    elif as_markdown:
        from zoo_common.report.catalog_markdown import to_markdown

        print(to_markdown(rows, families), end="")
    else:
        _print_table(rows, families)


def _print_table(rows: list[Shipped], families: list[FamilyFacts]) -> None:
    from rich.padding import Padding
    from rich.text import Text

    from zoo_common.cli.output import console

    out, facts = console(), {each.family: each for each in families}
    name, size = max(len(row.name) for row in rows), max(len(f"{row.parameters:,}") for row in rows)
    for (domain, use), group in groupby(rows, key=lambda row: (row.domain, row.use)):
        out.print(Text(f"{domain}, {use}", style="bold"))
        for family, found in groupby(group, key=lambda row: row.family):
            members, about = list(found), facts[family]
            told = f"{about.paper} ({about.year})" if about.paper else ""
            heading = Text(f"{family}  ", style="bold cyan").append(told, style="not bold default")
            out.print(Padding(heading, (0, 0, 0, 1), expand=False))
            fitting = dict.fromkeys(task for row in members for task in row.tasks)
            out.print(Padding(Text(f"tasks: {', '.join(fitting)}", style="dim"), (0, 0, 0, 4), expand=False))
            for row in members:
                line = Text(f"  {row.name:<{name}}  ").append(f"{row.parameters:>{size},}", style="bold")
                out.print(
                    line.append(f"  {row.task}").append("  drawn data" if row.drawn else "", style="yellow")
                )
                out.print(Padding(Text(row.summary, style="dim"), (0, 0, 0, 4), expand=False))
    for kind, drawn in {row.input: row.drawn for row in rows if row.drawn}.items():
        out.print(Text(f"drawn data, {kind}: {drawn}; name your own by data.kind, or by input_fn in Python"))
    for told, of in (("frameworks", "frameworks"), ("execution", "execution")):
        values = dict.fromkeys(value for row in rows for value in getattr(row, of))
        out.print(Text(f"{told}: {', '.join(values)}, all of these specs"))
