"""``zoo export``: a trained model in the forms that the world outside has."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zoo_common.cli.options import JsonOption, MaybeFrameworkOption, directory, example

if TYPE_CHECKING:
    from pydantic import JsonValue

    from zoo_common.export import FileFormat, Program

_ONE_FILE = (".pt2", ".onnx", ".keras", ".safetensors")


def register(app: typer.Typer) -> None:
    """Add the command."""
    examples = (
        "zoo export --run-dir runs/bert_tiny-torch --format saved_model --output exports/bert_tiny-tf",
        "zoo export --run-dir runs/bert_tiny-torch --format onnx --features input_ids,example_ids",
        "zoo export --run-dir runs/bert_tiny-torch --format transformers --output exports/bert_tiny",
    )
    app.command("export", epilog=example(*examples))(export)


def export(
    run_dir: Annotated[Path, typer.Option("--run-dir", metavar="DIR", help="The run's directory.")],
    format: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="FORMAT",
            help="What to write: transformers, safetensors, torch_export, onnx, saved_model, keras, or a plugin's; "
            "by default the framework's first.",
        ),
    ] = None,
    framework: MaybeFrameworkOption = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            metavar="DIR",
            help="The directory to make: by default exports/FORMAT-step-N in the run's.",
            parser=directory,
        ),
    ] = None,
    features: Annotated[
        str | None,
        typer.Option(
            "--features",
            metavar="A,B,C",
            help="The inputs that a program takes: by default all of plain rows.",
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an export that is there.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Write a run's newest weights for others: a program of a framework's, or files that everybody reads.

    Whichever framework trained the run, any format is written. A format tells its framework; transformers and
    safetensors need none. Beside it stand signature.json, which says what goes in and comes out, the tokenizer, and
    the names of labels; what a format cannot carry is told, a line each. docs/serving.md shows how to load and call
    each.
    """
    import sys

    from zoo_common.cli.output import print_json
    from zoo_common.export import Program, choose
    from zoo_spec.errors import InputError

    chosen = choose(format, framework)
    if output is not None and output.suffix in _ONE_FILE:
        raise InputError(
            f"--output {output}: is a directory, into which files are written; give its name, such as "
            f"{output.with_suffix('')}"
        )
    if isinstance(chosen, Program):
        wanted = None if features is None else [each.strip() for each in features.split(",") if each.strip()]
        name = format or chosen.framework
        place, signature = _program(run_dir, chosen, name, output, wanted, overwrite)
    else:
        if features is not None:
            raise InputError(f"--features {features}: goes with a program, and {chosen.kind} is none")
        if framework is not None:
            print(f"--format {chosen.kind} needs no framework; {framework} is not used", file=sys.stderr)
        place, signature = _files(run_dir, chosen, output, overwrite)
    if as_json:
        made = {"program": str(place / str(signature["program"]))} if "program" in signature else {}
        print_json({"output": str(place), **signature, **made})
        return
    _print(place, signature)


def _program(
    run_dir: Path,
    chosen: Program,
    name: str,
    output: Path | None,
    features: list[str] | None,
    overwrite: bool,
) -> tuple[Path, dict[str, JsonValue]]:
    """Where the program is, and its signature."""
    from zoo_common.backend import find_backend
    from zoo_common.export import export as write
    from zoo_common.export import serving_features
    from zoo_common.training.served import served
    from zoo_common.training.spec_run import reopen

    # On the CPU, so that the program runs on any machine; each framework moves it to a GPU when it is loaded.
    run = reopen(find_backend(chosen.framework)(), run_dir, device="cpu")
    learner = run.learner
    serving_features(learner.graph, features)
    run.load()
    place = output if output is not None else run_dir / "exports" / f"{name}-step-{run.step:08d}"
    beside = served(learner.spec, learner.graph, run.directory)
    return place, write(
        learner.at_work(),
        learner.backend,
        learner.spec,
        beside.files,
        place,
        step=run.step,
        format=chosen.name,
        features=features,
        labels=beside.labels,
        overwrite=overwrite,
    )


def _files(
    run_dir: Path, form: FileFormat, output: Path | None, overwrite: bool
) -> tuple[Path, dict[str, JsonValue]]:
    """Where the files are, and their signature."""
    from zoo_common.export import Trained, export_files
    from zoo_common.published.tokenizers import FOLDER
    from zoo_common.training.saved_run import saved_run
    from zoo_common.training.served import served

    with saved_run(run_dir) as run:
        place = output if output is not None else run_dir / "exports" / f"{form.kind}-step-{run.step:08d}"
        beside = served(run.spec, run.spec.graph(), run_dir)
        published = run_dir / FOLDER
        trained = Trained(
            run.spec,
            run.weights,
            beside.files,
            run.step,
            labels=beside.labels,
            published=published if published.is_dir() else None,
        )
        return place, export_files(trained, form, place, overwrite=overwrite)


def _print(place: Path, signature: dict[str, JsonValue]) -> None:
    for part in ("inputs", "outputs"):
        names = signature.get(part)
        if isinstance(names, dict):
            print(f"{part:<9}{', '.join(names)}")
    left_out = signature["left_out"]
    assert isinstance(left_out, list)
    for line in left_out:
        print(f"without  {line}")
    if "program" in signature:
        print(f"program  {place / str(signature['program'])}")
    else:
        print(f"files    {place}")
