"""``zoo parity``: prove that both frameworks compute the same thing for a spec."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zoo_common.cli.options import DeviceOption, JsonOption, SetOption, SpecOption, example

if TYPE_CHECKING:
    from zoo_common.parity.results import LevelResult


def register(app: typer.Typer) -> None:
    """Add the command."""
    examples = (
        "zoo parity --spec bert_tiny",
        "zoo parity --spec bert_large --small --level gradient --junit parity.xml",
    )
    app.command("parity", epilog=example(*examples))(parity)


def parity(
    spec: SpecOption,
    overrides: SetOption = None,
    level: Annotated[
        str,
        typer.Option(
            "--level",
            metavar="LEVEL",
            help="The last level: parameters, forward, loss, gradient, step, curve or checkpoint.",
        ),
    ] = "checkpoint",
    small: Annotated[
        bool, typer.Option("--small", help="The same architecture at a small size, on generated data.")
    ] = False,
    steps: Annotated[
        int, typer.Option("--steps", min=2, metavar="N", help="Length of the training curve.")
    ] = 50,
    junit: Annotated[
        Path | None, typer.Option("--junit", metavar="FILE", help="Write the results as JUnit XML too.")
    ] = None,
    device: DeviceOption = "cpu",
    as_json: JsonOption = False,
) -> None:
    """Hold both frameworks against each other, level by level; each level includes those before it.

    The exit status is 1 if a level fails; the first block whose outputs part is then named.
    """
    from zoo_common.cli.output import print_json
    from zoo_common.parity.suite import run_parity
    from zoo_common.report.parity import print_parity, write_junit
    from zoo_spec import load_spec
    from zoo_spec.shrink import shrunk

    loaded = load_spec(spec, overrides or ())
    chosen = shrunk(loaded) if small else loaded
    report = run_parity(chosen, level=level, steps=steps, device=device, watch=_say)
    if junit is not None:
        write_junit(report, junit)
    if as_json:
        print_json(report.as_json())
    else:
        print_parity(report)
    if not report.passed:
        raise typer.Exit(1)


def _say(result: LevelResult) -> None:
    print(f"{result.level} ({result.dtype}): {'passed' if result.passed else 'FAILED'}", file=sys.stderr)
