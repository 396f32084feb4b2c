"""``zoo validate``: what is wrong with a spec, and, with a framework, with a run of it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import typer

from zoo_common.cli.options import DeviceOption, MaybeFrameworkOption, SetOption, SpecOption, example

if TYPE_CHECKING:
    from zoo_spec.experiment import ExperimentSpec
    from zoo_spec.graph import Graph
    from zoo_spec.loading import Resolved


def register(app: typer.Typer) -> None:
    """Add the command."""
    examples = ("zoo validate --spec my_model.yaml", "zoo validate --spec bert_tiny --framework torch")
    app.command("validate", epilog=example(*examples))(validate)


def validate(
    spec: SpecOption,
    overrides: SetOption = None,
    framework: MaybeFrameworkOption = None,
    device: DeviceOption = "auto",
) -> None:
    """Check a spec, and with --framework rehearse a run of it.

    A rehearsal opens the data, adds up the memory, builds the model and runs one training step on a little
    generated input. Everything that is wrong is said at once, and the exit status is that of the first of it.
    """
    from zoo_spec.loading import resolve
    from zoo_spec.loading import validate as checked

    resolved = resolve(spec, overrides or ())
    loaded = checked(resolved)
    failed = _rehearse(loaded, framework, device) if framework is not None else 0
    if failed:
        raise typer.Exit(failed)
    graph = loaded.graph()
    if framework is None:
        _check_data(loaded, graph, resolved)  # A rehearsal opens the data.
    print(f"valid: {loaded.name}")
    for name, value in _summary(loaded, graph):
        print(f"  {name:<11}{value}")


def _check_data(spec: ExperimentSpec, graph: Graph, resolved: Resolved) -> None:
    """Raise InputError, with file and line, where the data's kind or sizes do not fit the model."""
    from zoo_spec.data_fit import check_data
    from zoo_spec.errors import InputError, Problem, SpecError

    try:
        check_data(spec, graph)
    except SpecError:
        raise
    except InputError as error:
        field = str(error).split()[0].split(".")
        origin = resolved.layer.origin(tuple(field)) if field[0] == "data" else None
        where = ("", None) if origin is None else (origin.source, origin.line)
        raise SpecError(Problem(str(error), "", *where)) from None


def _rehearse(spec: ExperimentSpec, framework: str, device: str) -> int:
    """Say on standard error how each check went; returns the exit status of the first that failed."""
    from zoo_common.rehearsal import rehearse

    status = 0
    for check in rehearse(spec, framework, device):
        if check.error is None:
            print(f"ok: {check.name}: {check.found}", file=sys.stderr)
        else:
            print(f"failed: {check.name}: {check.error}", file=sys.stderr)
            status = status or check.error.exit_status
    return status


def _summary(spec: ExperimentSpec, graph: Graph) -> list[tuple[str, str]]:
    from zoo_common.units import counted

    model, task, data, optimizer, schedule = (
        str(getattr(part, "kind", ""))
        for part in (spec.model, spec.task, spec.data, spec.training.optimizer, spec.training.schedule)
    )
    training = spec.training
    steps, rate = counted(training.steps, "step"), training.optimizer.learning_rate
    micro = f", {training.micro_batch_size} at once" if training.micro_batch_size is not None else ""
    inputs = [f"{name} {tensor}" for name, tensor in graph.inputs.items() if not tensor.optional]
    outputs = [name for name in graph.outputs if not name.endswith(("_loss", "_numerator", "_denominator"))]
    return [
        ("model", f"{model}, {graph.parameter_count:,} parameters"),
        ("task", task),
        ("inputs", ", ".join(inputs)),
        ("outputs", ", ".join(outputs)),
        ("data", data),
        ("training", f"{steps} of {counted(training.batch_size, 'example')}{micro}"),
        ("", f"{optimizer} at rate {rate:g}, {schedule} schedule, {training.precision}"),
    ]
