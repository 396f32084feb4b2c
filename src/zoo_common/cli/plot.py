"""``zoo plot``: the curves of runs, and the gap between two of one spec, as PNG and SVG."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zoo_common.cli.options import directory, example

_OUTPUT = Path("runs_plot")
_ENDINGS = (".png", ".svg")


def register(app: typer.Typer) -> None:
    """Add the command."""
    examples = (
        "zoo plot runs/demo/1",
        "zoo plot runs/bert_tiny-torch runs/gated --output compared.svg",
        "zoo plot runs/* --metric masked_lm_accuracy --split eval",
    )
    app.command("plot", epilog=example(*examples))(plot)


def plot(
    runs: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN…",
            help="Directories of runs, or of several runs.",
            parser=lambda text: directory(text),
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(metavar="FILE", help="Ends in .png or .svg, or in neither for both."),
    ] = _OUTPUT,
    metric: Annotated[str, typer.Option(help="What to draw: a name in metrics.jsonl.")] = "loss",
    split: Annotated[str, typer.Option(metavar="train|eval", help="Of which part of the data.")] = "train",
    smooth: Annotated[
        int, typer.Option(min=1, metavar="N", help="Draw the mean over N logged steps, the steps pale.")
    ] = 1,
    log_y: Annotated[bool, typer.Option("--log-y", help="A logarithmic scale for the metric.")] = False,
) -> None:
    """Draw a metric of runs, finished or going on, over their steps.

    Two runs of the same spec, data and seed also get their gap, on a logarithmic scale, against the floor: how
    far a run goes from itself when its weights are changed by 1e-7, where a demo has measured that, else what
    float rounding alone explains.
    """
    if split not in ("train", "eval"):
        raise typer.BadParameter(f"{split!r} is neither train nor eval", param_hint="--split")
    if output.suffix not in ("", *_ENDINGS):
        raise typer.BadParameter(
            f"{output} ends in {output.suffix}; pictures are .png or .svg", param_hint="--output"
        )

    import sys

    from zoo_common.files import explained, write_atomically
    from zoo_common.report.plot import require_matplotlib
    from zoo_common.report.plot_runs import find_runs, picture_of, read_curves_of

    require_matplotlib()
    curves = read_curves_of(find_runs(runs), metric, split)
    for curve in curves:
        if not len(curve.steps):
            print(f"{curve.path}: has no {split} {metric} yet; left out", file=sys.stderr)
    picture = picture_of(curves, metric, split, smooth=smooth, log_y=log_y)
    for ending, content in picture.render().items():
        if output.suffix in ("", f".{ending}"):
            path = output.with_suffix(f".{ending}")
            with explained("write", path):
                path.parent.mkdir(parents=True, exist_ok=True)
                write_atomically(path, content)
            print(f"wrote {path}")
