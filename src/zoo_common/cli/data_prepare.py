"""``zoo data prepare``: all that a first start does with a spec's data, into a directory that runs train from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zoo_common.cli.options import SetOption, SpecOption, directory, example


def register(app: typer.Typer) -> None:
    """Add the command."""
    examples = (
        "zoo data prepare --spec my.yaml --output prepared/mine",
        "zoo train --framework torch --spec my.yaml --set data.prepared=prepared/mine",
    )
    app.command("prepare", epilog=example(*examples))(prepare)


def prepare(
    spec: SpecOption,
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            metavar="DIR",
            help="The directory: a new one, or one that was begun of the same data.",
            parser=lambda text: directory(text),
        ),
    ],
    overrides: SetOption = None,
    processes: Annotated[
        int | None,
        typer.Option("--processes", min=1, metavar="N", help="How many work at once; by default one a core."),
    ] = None,
) -> None:
    """Make a spec's data ready, so that training begins at once.

    Into the directory go the tokenizer, the names of labels, the text as tokens, the records of both parts of the
    data, and dataset.json, which says what it was made of. With data.prepared in the spec a run trains from it, also
    where the data's own files are not; a directory that was made of other data is refused, with what differs. A
    preparation that was ended, however that was, goes on by the same command; one that is done is left as it is.
    """
    import os

    from zoo_common.data import preparing
    from zoo_common.log import logging_to
    from zoo_common.units import bytes_text, counted
    from zoo_spec import load_spec

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with logging_to(None, console=True):
        found = preparing.prepare(load_spec(spec, overrides or ()), output, processes=processes or cores)
    if found is None:
        print(f"{output}: is prepared already, of the same data; nothing to do")
        return
    for split, name in (("train", "training"), ("eval", "evaluation")):
        part = found.splits["train" if split == "train" else "eval"]
        records = "" if part.records is None else f" of {counted(part.records, 'record')}"
        tokens = "" if part.tokens is None else f", {part.tokens:,} tokens at most"
        print(f"{name:<10}  {counted(part.examples, 'example')}{records}{tokens}")
    size = sum(path.stat().st_size for path in output.rglob("*") if path.is_file())
    print(f"prepared    {output} ({bytes_text(size)}); train with --set data.prepared={output}")
