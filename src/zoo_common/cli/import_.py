"""``zoo import``: somebody's published weights, as a run at step 0."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zoo_common.cli.options import JsonOption, directory, example


def register(app: typer.Typer) -> None:
    """Add the command."""
    examples = (
        "zoo import ~/models/bert-base-uncased --output runs/bert",
        "zoo import ~/models/bert-base-uncased --output runs/mnli --task sequence_classification",
        "zoo predict --framework torch --run-dir runs/bert 'Paris is the [MASK] of France.'",
    )
    app.command("import", epilog=example(*examples))(import_)


def import_(
    source: Annotated[
        Path, typer.Argument(metavar="SOURCE", help="A folder, or a file in one, as it was published.")
    ],
    output: Annotated[
        Path,
        typer.Option("--output", metavar="DIR", help="The run's directory, which is made.", parser=directory),
    ],
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="What the run is called: as the folder.")
    ] = None,
    task: Annotated[
        str | None,
        typer.Option("--task", metavar="KIND", help="Which head to have: that which was saved."),
    ] = None,
    format: Annotated[
        str | None,
        typer.Option(
            "--format", metavar="FORMAT", help="Which files to read, where there are several kinds."
        ),
    ] = None,
    trained_as: Annotated[
        str | None,
        typer.Option(
            "--trained-as",
            metavar="authors",
            help="Compute as who trained the weights did, where their configuration says something else.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Turn published weights into a run at step 0, on which every other command works, in either framework.

    What SOURCE is, is told from what is in it. The run has the model that its configuration says, the weights in
    their own precision, the tokenizer and the labels' names. What was taken, what is new and what was left is
    told tensor by tensor. docs/weights.md lists what is read.
    """
    from zoo_common.cli.output import print_json
    from zoo_common.published import import_published

    if trained_as not in (None, "authors"):
        raise typer.BadParameter(f"{trained_as!r}; give authors, or leave it out", param_hint="--trained-as")
    done = import_published(
        source, output, name=name, task=task, format=format, trained_as_authors=trained_as is not None
    )
    if as_json:
        model, kind = done.spec.model.kind, done.spec.task.kind
        print_json(
            {
                "run_dir": str(output),
                "spec": done.spec.name,
                "model": model,
                "task": kind,
                **done.report.as_json(),
            }
        )
        return
    for line in done.report.lines():
        print(line)
    print(f"run    {output}")
