"""``zoo schema``: the JSON Schema of spec files."""

from __future__ import annotations

import typer

from zoo_common.cli.options import example


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("schema", epilog=example("zoo schema > zoo.schema.json"))(schema)


def schema() -> None:
    """Print the JSON Schema of spec files.

    With it an editor completes and checks them: put "# yaml-language-server: $schema=zoo.schema.json" at the
    top of a spec file, with the schema beside it.
    """
    from zoo_common.cli.output import print_json
    from zoo_spec.schema import json_schema

    print_json(json_schema())
