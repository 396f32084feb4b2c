"""``zoo parity``: prove that both frameworks compute the same thing for a spec."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zoo_common.cli.options import (
    AcceptOption,
    DeviceOption,
    FrameworksOption,
    JsonOption,
    JUnitOption,
    MaybeSpecsOption,
    RunDirOption,
    SetOption,
    accepted,
    example,
    refuse,
    two,
)

if TYPE_CHECKING:
    from pydantic import JsonValue

    from zoo_common.cli.specs import Refused
    from zoo_common.parity.results import LevelResult, ParityReport


def register(app: typer.Typer) -> None:
    """Add the command."""
    examples = (
        "zoo parity --spec bert_tiny",
        "zoo parity --spec bert_large --small --level gradient --junit parity.xml",
        "zoo parity --spec t5_tiny --level gradient --rows packed --dtype bfloat16",
        "zoo parity --spec my_specs/ --spec bert_tiny --small --json",
        "zoo parity --run-dir runs/bert_tiny-torch",
    )
    app.command("parity", epilog=example(*examples))(parity)


def parity(
    spec: MaybeSpecsOption = None,
    run_dir: RunDirOption = None,
    overrides: SetOption = None,
    level: Annotated[
        str | None,
        typer.Option(
            "--level",
            metavar="LEVEL",
            help="The last level: parameters, forward, loss, gradient (a run's last), step, curve or checkpoint.",
        ),
    ] = None,
    small: Annotated[
        bool, typer.Option("--small", help="The same architecture at a small size, on generated data.")
    ] = False,
    steps: Annotated[
        int | None, typer.Option("--steps", min=2, metavar="N", help="Length of the training curve: 50.")
    ] = None,
    batches: Annotated[
        int | None,
        typer.Option("--batches", min=1, metavar="N", help="Batches of a run's evaluation data: 2."),
    ] = None,
    rows: Annotated[
        list[str] | None,
        typer.Option(
            "--rows",
            metavar="ROWS",
            help="full, padded or packed, up to the level gradient; all that the model takes.",
        ),
    ] = None,
    dtypes: Annotated[
        list[str] | None,
        typer.Option(
            "--dtype",
            metavar="DTYPE",
            help="float32 or bfloat16, held against float64; float64 for that alone. The spec's own.",
        ),
    ] = None,
    frameworks: FrameworksOption = None,
    junit: JUnitOption = None,
    accept: AcceptOption = None,
    device: DeviceOption = "cpu",
    as_json: JsonOption = False,
) -> None:
    """Hold two frameworks against each other, level by level; each level includes those before it.

    With --spec, on drawn weights and inputs that leave nothing untested. With --run-dir, on the weights of the
    run's newest checkpoint and batches of its own evaluation data, also while it trains; the levels end with
    gradient. The exit status is 1 if a level fails; the guilty block and framework are then named. Several
    specs are judged one after the other, and end with the worst status of theirs; a folder stands for every
    YAML file in it.
    """
    from zoo_common.cli.specs import Specs, each, specs_of
    from zoo_common.parity.suite import run_parity, run_trained_parity
    from zoo_spec import load_spec
    from zoo_spec.errors import InputError
    from zoo_spec.shrink import shrunk

    if bool(spec) == (run_dir is not None):
        raise InputError(
            "give --spec for parity on drawn weights, or --run-dir for that of a run's; one of them"
        )
    pair = two(frameworks)
    if run_dir is not None:
        given = {"--set": overrides, "--small": small, "--steps": steps, "--rows": rows, "--dtype": dtypes}
        refuse(given, "--spec", "a run is judged as it was trained")
        specs = Specs((str(run_dir),), listed=False)
    else:
        refuse({"--batches": batches, "--accept": accept}, "--run-dir", "a spec is judged on drawn inputs")
        specs = specs_of(spec or ())

    def judged(name: str) -> ParityReport:
        if run_dir is not None:
            return run_trained_parity(
                run_dir,
                level=level or "gradient",
                frameworks=pair,
                batches=batches or 2,
                device=device,
                watch=_say,
                accept=accepted(accept),
            )
        if specs.listed:
            print(f"{name}:", file=sys.stderr)
        loaded = load_spec(name, overrides or ())
        return run_parity(
            shrunk(loaded) if small else loaded,
            level=level or "checkpoint",
            steps=steps or 50,
            frameworks=pair,
            device=device,
            rows=rows or None,
            dtypes=dtypes or None,
            watch=_say,
        )

    _tell(each(specs, judged), specs.listed, as_json, junit)


def _tell(
    reports: Iterator[tuple[str, ParityReport | Refused]], listed: bool, as_json: bool, junit: Path | None
) -> None:
    """Print each report when it is there, then write all; raises Exit unless all passed."""
    from zoo_common.cli.output import to_a_reader
    from zoo_common.cli.specs import Refused, print_documents, worst
    from zoo_common.report.junit import Suite, write_junit
    from zoo_common.report.parity import print_parity, suite

    documents: dict[str, dict[str, JsonValue]] = {}
    suites, statuses = [], []
    for source, report in reports:
        if isinstance(report, Refused):
            suites.append(Suite(f"parity.{source}", (report.case("spec"),)))
            statuses.append(report.exit_status)
            if listed:
                documents[source] = {"spec": source, "passed": False, "levels": [], **report.as_json()}
            continue
        suites.append(suite(report, source if listed else report.spec))
        statuses.append(0 if report.passed else 1)
        documents[source] = report.as_json()
        if not as_json:
            with to_a_reader():
                print_parity(report)
    if junit is not None:
        write_junit(suites, junit, listed=listed)
    if as_json:
        with to_a_reader():
            print_documents(documents, listed=listed)
    if status := worst(statuses):
        raise typer.Exit(status)


def _say(result: LevelResult) -> None:
    print(f"{result.level} ({result.dtype}): {'passed' if result.passed else 'FAILED'}", file=sys.stderr)
