"""``zoo train``: train a spec, or go on with a run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zoo_common.cli.options import (
    AcceptOption,
    DeviceOption,
    FrameworkOption,
    JsonOption,
    RunDirOption,
    SetOption,
    SpecOption,
    accepted,
    example,
)
from zoo_common.cli.options import directory as directory_of
from zoo_common.cli.replicas import (
    Cluster,
    ClusterOption,
    LeastOption,
    ReplicasOption,
    RestartsOption,
    TimeoutOption,
    joined,
)

if TYPE_CHECKING:
    from pydantic import JsonValue


def register(app: typer.Typer) -> None:
    """Add the command."""
    examples = (
        "zoo train --framework torch --spec bert_tiny",
        "zoo train --framework tf --spec mnist_fc --set training.steps=200 --run-dir runs/mine",
        "zoo train --framework tf --spec mnist_fc --run-dir runs/again --initialize-from runs/mine",
    )
    app.command("train", epilog=example(*examples))(train)


def train(
    context: typer.Context,
    framework: FrameworkOption,
    spec: SpecOption,
    overrides: SetOption = None,
    run_dir: RunDirOption = None,
    initialize_from: Annotated[
        Path | None,
        typer.Option(
            "--initialize-from",
            metavar="DIR",
            help="Begin with the weights of this run, or of one of its checkpoints (training.initialize_from).",
            parser=directory_of,
        ),
    ] = None,
    accept: AcceptOption = None,
    device: DeviceOption = "auto",
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers",
            min=0,
            metavar="N",
            help="Processes that make the batches, the same whatever N is; 0: a thread of this one. By default that "
            "thread, until training is seen to wait for it.",
        ),
    ] = None,
    replicas: ReplicasOption = None,
    replica_timeout: TimeoutOption = None,
    max_restarts: RestartsOption = 0,
    cluster: ClusterOption = None,
    min_replicas: LeastOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train a spec; the same command again goes on where the run stopped.

    Everything of the run is kept in its directory, runs/NAME-FRAMEWORK unless another is given. A run can be
    continued in the other framework by giving its directory.

    What it was trained on is part of the run: it goes on with the same content of the same files. --accept data goes
    on with other content; --accept training with another learning rate, schedule or constant of the optimizer, with
    fewer steps, or another micro-batch size. After a divergence those may change without asking.

    With --replicas, or under torchrun or TF_CONFIG, several processes train one model with the results of one: each
    learns from its rows of every batch. A run goes on with another number of them. --cluster ray finds a place for
    each on a Ray cluster (docs/clusters.md).
    """
    from zoo_common.cli.output import print_json
    from zoo_common.training.progress import format_metrics
    from zoo_common.training.spec_run import spec_run
    from zoo_spec import load_spec

    begins = [f"training.initialize_from={json.dumps(str(initialize_from))}"] if initialize_from else []
    loaded = load_spec(spec, [*(overrides or ()), *begins])
    directory = run_dir if run_dir is not None else Path("runs") / f"{loaded.name}-{framework}"
    accepts = accepted(accept)
    place = Cluster(cluster, min_replicas, device)
    with joined(context, framework, replicas, replica_timeout, max_restarts, place) as (backend, met):
        run = spec_run(
            backend, loaded, directory, device=device, accept=accepts, workers=workers, replicas=met
        )
        logged = run.train()
    if met.rank:
        return
    if as_json:
        final: dict[str, JsonValue] = {str(record["split"]): dict(record) for record in logged}
        print_json({"spec": loaded.name, "framework": framework, "run_dir": str(directory), "final": final})
        return
    for record in logged[-2:]:
        numbers = {
            name: value
            for name, value in record.items()
            if isinstance(value, float) and name != "learning_rate"
        }
        print(f"{record['split']:<6}step {record['step']}  {format_metrics(numbers)}")
    print(f"run    {directory}")
