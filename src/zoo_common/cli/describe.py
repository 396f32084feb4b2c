"""``zoo describe``: everything that can be said of a spec without a framework."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zoo_common.cli.options import (
    DataOption,
    JsonOption,
    MaybeFrameworkOption,
    RunDirOption,
    SetOption,
    SpecsOption,
    example,
    require_framework,
)

if TYPE_CHECKING:
    from pydantic import JsonValue

    from zoo_common.report.description import Description


def register(app: typer.Typer) -> None:
    """Add the command."""
    examples = (
        "zoo describe --spec bert_tiny",
        "zoo describe --spec bert_base --batch 32 --sequence 512 --json",
        "zoo describe --spec bert_base --spec my_specs/ --json",
        "zoo describe --spec my_model.yaml --markdown > application.md",
        "zoo describe --spec my_model.yaml --svg my_model.svg",
        "zoo describe --spec gpt3_1p3b --execution weight_streaming",
    )
    app.command("describe", epilog=example(*examples))(describe)


def describe(
    spec: SpecsOption,
    overrides: SetOption = None,
    as_json: JsonOption = False,
    as_markdown: Annotated[
        bool, typer.Option("--markdown", help="Print it as answers for a compute application.")
    ] = False,
    batch: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Examples at once; by default the micro-batch.")
    ] = None,
    sequence: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Tokens of an example; by default the data's.")
    ] = None,
    size: Annotated[
        list[str] | None,
        typer.Option("--size", metavar="NAME=N", help="Size of any open dimension; may be repeated."),
    ] = None,
    svg: Annotated[
        Path | None,
        typer.Option("--svg", metavar="FILE", help="Draw the graph into this file, and print nothing else."),
    ] = None,
    with_data: DataOption = True,
    execution: Annotated[
        str | None,
        typer.Option(
            metavar="resident|weight_streaming",
            help="Where weights lie in training (training.execution); streamed ones have this disk measured.",
        ),
    ] = None,
    framework: MaybeFrameworkOption = None,
    run_dir: RunDirOption = None,
) -> None:
    """Describe a spec: graph, parameters, FLOPs, memory, data.

    Also its inputs and outputs, the loss in words, and the libraries that it needs. No framework is loaded
    and nothing is allocated, so that a model of any size is described in a moment. Several specs are described
    one after the other, in JSON as a list; a folder stands for every YAML file in it. Where weights are streamed,
    the disk of --run-dir (runs by default) is measured for a second, and it is said what files take of it and of
    the time; exit status 3 where they have no room. --framework has memory be that of one, and
    shows what was measured for it on this processor.
    """
    if as_json + as_markdown + (svg is not None) > 1:
        raise typer.BadParameter("give one of --json, --markdown and --svg", param_hint="--markdown")
    from zoo_common.cli.output import to_a_reader
    from zoo_common.cli.specs import Refused, each, print_documents, specs_of, worst
    from zoo_common.report.catalog import summary
    from zoo_common.report.describe import describe as describe_spec
    from zoo_common.report.describe_json import to_json
    from zoo_spec import load_spec
    from zoo_spec.errors import EnvironmentFault

    if framework is not None:
        require_framework(framework)
    executed = [] if execution is None else [f"training.execution={json.dumps(execution)}"]
    overrides = [*(overrides or ()), *executed]
    folder = Path("runs") if run_dir is None else run_dir
    sizes = _sizes(size or [], batch=batch, sequence=sequence)
    specs = specs_of(spec)
    if svg is not None:
        if specs.listed:
            raise typer.BadParameter("a drawing is of one spec; give one --spec", param_hint="--svg")
        _draw(svg, specs.names[0], overrides)
        return

    def described(name: str) -> Description:
        return describe_spec(
            load_spec(name, overrides),
            summary=summary(name),
            sizes=sizes,
            with_data=with_data,
            framework=framework,
            folder=folder,
        )

    documents: dict[str, dict[str, JsonValue]] = {}
    statuses = []
    for source, found in each(specs, described):
        if isinstance(found, Refused):
            statuses.append(found.exit_status)
            if specs.listed:
                documents[source] = {"name": source, **found.as_json()}
            continue
        lack = _lack(found)
        if lack:
            print(lack, file=sys.stderr)
            statuses.append(EnvironmentFault.exit_status)
        if as_json:
            documents[source] = to_json(found)
        else:
            with to_a_reader():
                _print(found, as_markdown)
    if as_json:
        with to_a_reader():
            print_documents(documents, listed=specs.listed)
    if status := worst(statuses):
        raise typer.Exit(status)


def _lack(found: Description) -> str:
    """That the files of streamed weights have no room on this disk, in words; nothing where they have."""
    from zoo_common.memory import too_small

    place = found.placement
    if place is None or place.machine.room is None or sum(place.disk.values()) <= place.machine.room:
        return ""
    return too_small(found.name, place.disk, place.machine.room)


def _print(found: Description, as_markdown: bool) -> None:
    if as_markdown:
        from zoo_common.report.describe_markdown import to_markdown

        print(to_markdown(found), end="")
    else:
        from zoo_common.report.describe_terminal import print_description
        from zoo_common.screen import console

        print_description(found, console())


def _draw(path: Path, spec: str, overrides: Sequence[str]) -> None:
    from zoo_common.files import write_atomically
    from zoo_common.report.svg.document import to_svg
    from zoo_spec import load_spec

    if path.suffix != ".svg":
        raise typer.BadParameter(f"{path} does not end in .svg", param_hint="--svg")
    write_atomically(path, to_svg(load_spec(spec, overrides)))
    print(f"wrote {path}")


def _sizes(given: list[str], **named: int | None) -> dict[str, int]:
    sizes = {name: size for name, size in named.items() if size is not None}
    for text in given:
        name, _, number = text.partition("=")
        if not (name and number.isdecimal() and int(number)):
            raise typer.BadParameter(
                f"{text!r} is not NAME=N with N at least 1, such as predictions=20", param_hint="--size"
            )
        sizes[name] = int(number)
    return sizes
