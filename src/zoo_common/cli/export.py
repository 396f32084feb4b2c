"""``zoo export``: a trained model for a server that has the framework, and nothing of this package."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zoo_common.cli.options import FrameworkOption, JsonOption, directory, example


def register(app: typer.Typer) -> None:
    """Add the command."""
    examples = (
        "zoo export --framework tf --run-dir runs/bert_tiny-torch --output exports/bert_tiny-tf",
        "zoo export --framework torch --run-dir runs/bert_tiny-torch --features input_ids,example_ids",
    )
    app.command("export", epilog=example(*examples))(export)


def export(
    framework: FrameworkOption,
    run_dir: Annotated[Path, typer.Option("--run-dir", metavar="DIR", help="The run's directory.")],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            metavar="DIR",
            help="The directory to make: by default exports/FRAMEWORK-step-N in the run's.",
            parser=directory,
        ),
    ] = None,
    features: Annotated[
        str | None,
        typer.Option(
            "--features", metavar="A,B,C", help="The inputs to serve: by default all of plain rows."
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an export that is there.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Write a run's newest weights as a SavedModel (tf) or a torch.export program (torch).

    Whichever framework trained the run, either exports it. Beside the program stand signature.json, which says
    what goes in and comes out, the tokenizer, and the names of labels. docs/serving.md shows how to load and call
    each.
    """
    from zoo_common.backend import find_backend
    from zoo_common.cli.output import print_json
    from zoo_common.export import export as write
    from zoo_common.export import serving_features
    from zoo_common.training.served import served
    from zoo_common.training.spec_run import reopen
    from zoo_spec.errors import InputError

    # On the CPU, so that the program runs on any machine; each framework moves it to a GPU when it is loaded.
    run = reopen(find_backend(framework)(), run_dir, device="cpu")
    wanted = None if features is None else [name.strip() for name in features.split(",") if name.strip()]
    learner = run.learner
    serving_features(learner.graph, wanted)
    if output is not None and output.suffix == ".pt2":
        raise InputError(
            f"--output {output}: is a directory, into which model.pt2 is written; give its name, such as "
            f"{output.with_suffix('')}"
        )
    run.load()
    beside = served(learner.spec, learner.graph, run.directory)
    place = output if output is not None else run_dir / "exports" / f"{framework}-step-{run.step:08d}"
    signature = write(
        learner.at_work(),
        learner.backend,
        learner.spec,
        beside.files,
        place,
        step=run.step,
        features=wanted,
        labels=beside.labels,
        overwrite=overwrite,
    )
    program = place / str(signature["program"])
    if as_json:
        print_json({"output": str(place), **signature, "program": str(program)})
        return
    for part in ("inputs", "outputs"):
        names = signature[part]
        assert isinstance(names, dict)
        print(f"{part:<9}{', '.join(names)}")
    print(f"program  {program}")
