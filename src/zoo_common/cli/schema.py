"""``zoo schema``: the JSON Schema of spec files."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from zoo_common.cli.options import example


def register(app: typer.Typer) -> None:
    """Add the command."""
    epilog = example("zoo schema > zoo.schema.json", "zoo schema --markdown > reference.md")
    app.command("schema", epilog=epilog)(schema)


def schema(
    as_markdown: Annotated[
        bool, typer.Option("--markdown", help="Print it as a page to read, with all inputs and outputs.")
    ] = False,
) -> None:
    """Print the JSON Schema of spec files.

    With it an editor completes and checks them: put "# yaml-language-server: $schema=zoo.schema.json" at the
    top of a spec file, with the schema beside it.
    """
    if as_markdown:
        from zoo_common.report.reference import to_markdown

        sys.stdout.write(to_markdown())
        return
    from zoo_common.cli.output import print_json
    from zoo_spec.spec_files.schema import json_schema

    print_json(json_schema())
