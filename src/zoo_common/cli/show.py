"""``zoo show``: a spec with everything that it inherits, and where each value was written."""

from __future__ import annotations

import typer

from zoo_common.cli.options import SetOption, SpecOption, example


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("show", epilog=example("zoo show --spec bert_tiny --set model.num_layers=3"))(show)


def show(spec: SpecOption, overrides: SetOption = None) -> None:
    """Print a spec resolved, and where each value is from.

    All that it inherits is in it; the output is itself a spec file.
    """
    from zoo_spec.spec_files.loading import resolve, validate
    from zoo_spec.spec_files.show import show as text

    resolved = resolve(spec, overrides or ())
    print(text(resolved, validate(resolved)), end="")
