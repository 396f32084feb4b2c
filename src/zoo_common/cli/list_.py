"""``zoo list``: the specs that come with Zoo."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from zoo_common.cli.options import JsonOption, example

if TYPE_CHECKING:
    from zoo_common.report.catalog import Shipped


def register(app: typer.Typer) -> None:
    """Add the command."""
    examples = (
        "zoo list",
        "zoo list bert",
        "zoo list --task question_answering",
        "zoo list gpt2 gpt3 --size 100M-1B",
        "zoo list --json",
    )
    app.command("list", epilog=example(*examples))(list_specs)


def list_specs(
    families: Annotated[
        list[str] | None,
        typer.Argument(metavar="FAMILY", help="Show the specs of these families."),
    ] = None,
    task: Annotated[
        str | None, typer.Option("--task", metavar="KIND", help="Show the specs of this task.")
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(
            "--size",
            metavar="SIZE",
            help="Show the specs of so many parameters: 100M at most, 10M-1B between, 1B- at least.",
        ),
    ] = None,
    as_json: JsonOption = False,
    as_markdown: Annotated[
        bool, typer.Option("--markdown", help="Print them as a page in Markdown.")
    ] = False,
) -> None:
    """List the specs that come with Zoo: the families, a line each.

    With a family, a task or a size, the specs themselves: their parameters and tasks, what each is for, where a
    family's code and weights are published, and which tasks fit it.
    """
    if as_json and as_markdown:
        raise typer.BadParameter("give one of --json and --markdown", param_hint="--markdown")

    from dataclasses import asdict

    from zoo_common.report.catalog import family_facts, shipped
    from zoo_common.report.families import by_family

    everything = shipped()
    rows = _of_families(everything, families or ())
    if task is not None:
        rows = _of_task(rows, task)
    if size is not None:
        least, most = _bounds(size)
        rows = [row for row in rows if least <= row.parameters <= most]
    facts = family_facts(rows)
    if as_json:
        from zoo_common.cli.output import print_json

        print_json({"specs": [asdict(row) for row in rows], "families": [asdict(each) for each in facts]})
    elif as_markdown:
        from zoo_common.report.catalog_markdown import to_markdown

        print(to_markdown(by_family(rows, facts)), end="")
    else:
        from zoo_common.report.list_terminal import print_families, print_specs
        from zoo_common.screen import console

        if not rows:
            print("no shipped spec is of this kind; 'zoo list' shows the families")
        elif families or task is not None or size is not None:
            print_specs(by_family(rows, facts), console())
        else:
            print_families(by_family(rows, facts), console())
        if task is not None:
            _tell_fitting(everything, families or (), task)


def _of_families(rows: Sequence[Shipped], names: Collection[str]) -> list[Shipped]:
    """Those of the families; all without a name. Raises InputError for a family that there is not."""
    from zoo_spec.errors import InputError
    from zoo_spec.values import nearest, shorten

    known, specs = {row.family for row in rows}, {row.name: row.family for row in rows}
    for name in names:
        if name in specs and name not in known:
            raise InputError(
                f"{name} is a spec of the family {specs[name]}: zoo list {specs[name]}, "
                f"or zoo describe --spec {name}"
            )
        if name not in known:
            raise InputError(
                f"no family of the shipped specs is called '{shorten(name)}'{nearest(name, known)}"
            )
    return [row for row in rows if not names or row.family in names]


def _of_task(rows: Sequence[Shipped], task: str) -> list[Shipped]:
    """Those whose own task it is. Raises InputError for a task that there is not."""
    from zoo_spec.errors import InputError
    from zoo_spec.registry import classes
    from zoo_spec.tasks.base import Task
    from zoo_spec.values import nearest, shorten

    known = {*classes(Task), *(row.task for row in rows)}
    if task not in known:
        raise InputError(f"no task is called '{shorten(task)}'{nearest(task, known)}")
    return [row for row in rows if row.task == task]


def _tell_fitting(rows: Sequence[Shipped], names: Collection[str], task: str) -> None:
    """Which families can be given the task, whether or not a spec with it is shipped."""
    fitting = dict.fromkeys(
        row.family for row in rows if task in row.tasks and (not names or row.family in names)
    )
    if fitting:
        from rich.text import Text

        from zoo_common.screen import console

        console().print(Text(f"--set task.kind={task} fits: {', '.join(sorted(fitting))}"))


def _bounds(text: str) -> tuple[float, float]:
    from zoo_common.units import count_of
    from zoo_spec.values import shorten

    first, dash, last = text.partition("-")
    least = count_of(first) if dash and first else 0
    most = count_of(last if dash else first) if (last if dash else first) else float("inf")
    if least is None or most is None or text.strip() in ("", "-") or least > most:
        raise typer.BadParameter(
            f"'{shorten(text)}' is no size; give 100M (at most), 10M-1B (between) or 1B- (at least)",
            param_hint="--size",
        )
    return least, most
