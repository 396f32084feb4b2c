"""``zoo data inspect``: what a spec's data is, before anything is trained on it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zoo_common.cli.options import JsonOption, RunDirOption, SetOption, SpecOption, example


def register(app: typer.Typer) -> None:
    """Add the command."""
    examples = (
        "zoo data inspect --spec bert_tiny",
        "zoo data inspect --spec my.yaml --split eval --examples 10 --png lengths.png",
        "zoo data inspect --spec my.yaml --json > found.json",
    )
    app.command("inspect", epilog=example(*examples))(inspect)


def inspect(
    spec: SpecOption,
    overrides: SetOption = None,
    run_dir: RunDirOption = None,
    split: Annotated[
        str, typer.Option("--split", metavar="train|eval", help="Which part of the data.")
    ] = "train",
    examples: Annotated[
        int, typer.Option("--examples", min=0, metavar="N", help="Show so many, from everywhere in the data.")
    ] = 3,
    as_json: JsonOption = False,
    png: Annotated[
        Path | None,
        typer.Option("--png", metavar="FILE", help="Draw lengths, and images with their masks, into this."),
    ] = None,
) -> None:
    """Look at a spec's data: examples, lengths, padding, classes, duplicates.

    Examples are shown as text with what is to be learned marked: masked tokens and what stood there, labels beside
    their words, answers in their context. Lengths are drawn as bars, with how much of a batch would be padding under
    each data.batching. Evaluation records that are trained on too are counted, and some named. No framework is
    loaded. Of large data a part is looked at, and it is told how much. With --run-dir the tokenizer and the names of
    labels are that run's.
    """
    if split not in ("train", "eval"):
        raise typer.BadParameter(f"{split!r} is neither train nor eval", param_hint="--split")
    if png is not None and png.suffix != ".png":
        raise typer.BadParameter(f"{png} does not end in .png", param_hint="--png")
    if run_dir is not None and not run_dir.is_dir():
        raise typer.BadParameter(f"{run_dir} is no directory; give that of a run", param_hint="--run-dir")

    import sys

    from zoo_common.cli.output import print_json, to_a_reader
    from zoo_common.files import explained, write_atomically
    from zoo_common.report.inspection.inspect import inspect_data
    from zoo_common.report.inspection.picture import require_plotting, to_png
    from zoo_spec import load_spec

    if png is not None:
        require_plotting()
    found = inspect_data(
        load_spec(spec, overrides or ()), run_dir, "train" if split == "train" else "eval", examples=examples
    )
    if png is not None:
        with explained("write", png):
            png.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(png, to_png(found))
        print(f"wrote {png}", file=sys.stderr)
    with to_a_reader():
        if as_json:
            from zoo_common.report.inspection.as_json import to_json

            print_json(to_json(found))
        else:
            from zoo_common.report.inspection.terminal import print_inspection
            from zoo_common.screen import console

            print_inspection(found, console())
