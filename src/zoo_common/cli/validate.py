"""``zoo validate``: what is wrong with a spec, and, with a framework, with a run of it."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

from zoo_common.cli.options import (
    DataOption,
    DeviceOption,
    JsonOption,
    JUnitOption,
    MaybeFrameworkOption,
    SetOption,
    SpecsOption,
    example,
)

if TYPE_CHECKING:
    from pydantic import JsonValue

    from zoo_common.cli.specs import Refused
    from zoo_common.rehearsal import Check
    from zoo_common.report.junit import Case
    from zoo_spec.errors import ZooError
    from zoo_spec.experiment import ExperimentSpec
    from zoo_spec.graph import Graph
    from zoo_spec.spec_files.loading import Resolved


@dataclass(frozen=True)
class _Checked:
    """A spec that could be read; ``failed`` are the parts of its rehearsal that went wrong."""

    name: str
    parameters: int
    summary: tuple[tuple[str, str], ...]
    failed: tuple[tuple[Check, ZooError], ...] = ()

    @property
    def exit_status(self) -> int:
        """That of the first that went wrong."""
        return self.failed[0][1].exit_status if self.failed else 0


def register(app: typer.Typer) -> None:
    """Add the command."""
    examples = (
        "zoo validate --spec my_model.yaml",
        "zoo validate --spec my_specs/ --spec bert_tiny --junit specs.xml",
        "zoo validate --spec bert_tiny --framework torch",
    )
    app.command("validate", epilog=example(*examples))(validate)


def validate(
    spec: SpecsOption,
    overrides: SetOption = None,
    framework: MaybeFrameworkOption = None,
    device: DeviceOption = "auto",
    with_data: DataOption = True,
    junit: JUnitOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check specs and their data as training would, and with --framework rehearse a run of each.

    A rehearsal adds up the memory, builds the model and runs one training step on a little
    generated input. Everything that is wrong is said at once, and the exit status is that of the first of it; of
    several specs, the worst of theirs. A folder stands for every YAML file in it and below.
    """
    from zoo_common.cli.output import to_a_reader
    from zoo_common.cli.specs import each, print_documents, specs_of, worst
    from zoo_common.report.junit import Suite, write_junit
    from zoo_spec.spec_files.loading import checked, resolve

    specs = specs_of(spec)

    def check(name: str) -> _Checked:
        resolved = resolve(name, overrides or ())
        loaded, graph = checked(resolved)
        failed = () if framework is None else _rehearse(loaded, framework, device)
        if framework is None:
            _check_data(loaded, graph, resolved, opened=with_data)  # A rehearsal opens it too.
            if with_data and loaded.training.initialize_from is not None:
                _check_beginning(loaded, graph, resolved)
            if graph.loss_parts:
                from zoo_common.training.loop import require_trainable

                require_trainable(graph, loaded.training)
        return _Checked(loaded.name, graph.parameter_count, tuple(_summary(loaded, graph)), failed)

    found = {}
    for source, result in each(specs, check):
        found[source] = result
        if isinstance(result, _Checked) and not (result.failed or as_json):
            with to_a_reader():
                print(f"valid: {result.name}")
                for field, value in result.summary:
                    print(f"  {field:<11}{value}")
    if junit is not None:
        cases = tuple(_case(source, result) for source, result in found.items())
        write_junit([Suite("validate", cases)], junit, listed=specs.listed)
    if as_json:
        documents = {source: _document(result) for source, result in found.items()}
        with to_a_reader():
            print_documents(documents, listed=specs.listed)
    if status := worst([result.exit_status for result in found.values()]):
        raise typer.Exit(status)


def _case(name: str, result: _Checked | Refused) -> Case:
    from zoo_common.cli.specs import Refused
    from zoo_common.report.junit import Case

    if isinstance(result, Refused):
        return result.case(name)
    told = [f"{check.name}: {error}" for check, error in result.failed]
    return Case(name, told[0] if told else "", "\n".join(told))


def _document(result: _Checked | Refused) -> dict[str, JsonValue]:
    """``spec``, ``valid``, and what is right or wrong."""
    from zoo_common.cli.specs import Refused

    if isinstance(result, Refused):
        return {"spec": result.spec, "valid": False, **result.as_json()}
    if result.failed:
        told = "\n".join(f"{check.name}: {error}" for check, error in result.failed)
        return {"spec": result.name, "valid": False, "error": told, "problems": []}
    return {"spec": result.name, "valid": True, "parameters": result.parameters, "problems": []}


def _check_data(spec: ExperimentSpec, graph: Graph, resolved: Resolved, *, opened: bool) -> None:
    """Raise InputError, with file and line, where the data is not there, or does not fit the model."""
    from zoo_spec.data_fit import check_data
    from zoo_spec.errors import InputError, Problem, SpecError

    try:
        check_data(spec, graph)
        if opened:
            from zoo_common.data.opening import (
                require_data,  # What reads data is loaded where all else is right.
            )

            require_data(spec, graph)
    except SpecError:
        raise
    except InputError as error:
        field = str(error).split()[0].split(".")
        origin = resolved.layer.origin(tuple(field) if field[0] == "data" else ("data",))
        where = ("", None) if origin is None else (origin.source, origin.line)
        raise SpecError(Problem(str(error), "" if field[0] == "data" else "data", *where)) from None


def _check_beginning(spec: ExperimentSpec, graph: Graph, resolved: Resolved) -> None:
    """Raise SpecError, with file and line, where the weights to begin with are not there, or do not fit."""
    from zoo_common.training.spec_beginning import beginning
    from zoo_spec.errors import InputError, SpecError

    try:
        beginning(spec, graph)
    except InputError as error:
        raise SpecError(resolved.layer.problem(str(error), ("training", "initialize_from"))) from None


def _rehearse(spec: ExperimentSpec, framework: str, device: str) -> tuple[tuple[Check, ZooError], ...]:
    """Say on standard error how each check went; returns those that failed."""
    from zoo_common.rehearsal import rehearse

    failed = []
    for check in rehearse(spec, framework, device):
        if check.error is None:
            print(f"ok: {check.name}: {check.found}", file=sys.stderr)
        else:
            print(f"failed: {check.name}: {check.error}", file=sys.stderr)
            failed.append((check, check.error))
    return tuple(failed)


def _summary(spec: ExperimentSpec, graph: Graph) -> list[tuple[str, str]]:
    from zoo_common.units import counted

    model, task, data, optimizer, schedule = (
        part.kind
        for part in (spec.model, spec.task, spec.data, spec.training.optimizer, spec.training.schedule)
    )
    training = spec.training
    steps, rate = counted(training.steps, "step"), training.optimizer.learning_rate
    micro = f", {training.micro_batch_size} at once" if training.micro_batch_size is not None else ""
    inputs = [f"{name} {tensor}" for name, tensor in graph.inputs.items() if not tensor.optional]
    outputs = [name for name in graph.outputs if not name.endswith(("_loss", "_numerator", "_denominator"))]
    rows = [
        ("model", f"{model}, {graph.parameter_count:,} parameters"),
        ("task", task),
        ("inputs", ", ".join(inputs)),
        ("outputs", ", ".join(outputs)),
        ("data", f"{data}: {spec.data.drawn}" if spec.data.drawn else data),
    ]
    if not graph.loss_parts:
        return [*rows, ("training", "none: the model has no loss; it can be exported and asked")]
    return [
        *rows,
        ("training", f"{steps} of {counted(training.batch_size, 'example')}{micro}"),
        ("", f"{optimizer} at rate {rate:g}, {schedule} schedule, {training.precision}"),
    ]
