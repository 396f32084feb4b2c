"""``zoo demo``: one spec, trained in both frameworks from the same weights, and their curves side by side."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zoo_common.cli.options import DeviceOption, FrameworksOption, RunDirOption, SetOption, example, two

if TYPE_CHECKING:
    from zoo_common.backend import Backend
    from zoo_spec.experiment import ExperimentSpec

_RUNS = Path("runs/demo")


def register(app: typer.Typer) -> None:
    """Add the command."""
    examples = ("zoo demo", "zoo demo --spec mnist_fc --set training.steps=100")
    app.command("demo", epilog=example(*examples))(demo)


def demo(
    spec: Annotated[
        str, typer.Option("--spec", metavar="NAME|FILE", help="The spec to train in two frameworks.")
    ] = "bert_tiny",
    overrides: SetOption = None,
    run_dir: RunDirOption = None,
    frameworks: FrameworksOption = None,
    device: DeviceOption = "auto",
) -> None:
    """Train a spec in two frameworks from the same weights; print both curves, and draw them.

    Every demo starts afresh in a directory of its own, runs/demo/1, runs/demo/2 and so on, which holds the
    picture and both runs. The first framework is trained once more from weights changed by 1e-7, about one
    rounding: how far that takes it from itself is the floor that the gap is seen against.
    """
    # Where other programs want the cores too, OpenMP threads that wait by spinning slow PyTorch down tenfold.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

    import numpy as np

    from zoo_common.backend import find_backend
    from zoo_common.report.curves import Curves
    from zoo_common.report.plot import require_matplotlib
    from zoo_common.screen import console
    from zoo_common.training.metrics_file import losses
    from zoo_common.training.progress import format_metrics
    from zoo_common.training.spec_run import spec_run
    from zoo_spec import load_spec
    from zoo_spec.frameworks import compared, two_of

    require_matplotlib()  # Before all the training.
    # Every step is logged; dropout, if there is any, has to be the same in both.
    loaded = load_spec(spec, overrides or ())
    training = loaded.training.model_copy(update={"log_every": 1, "random": "portable"})
    loaded = loaded.model_copy(update={"training": training})
    makers = [find_backend(name) for name in two_of(two(frameworks) or compared())]
    directory = _new_directory(run_dir)
    curves, names, evaluations = [], [], []
    for make in makers:
        backend = make()
        run = spec_run(backend, loaded, directory / backend.name, device=device)
        logged = run.train()
        curves.append(np.array(list(losses(logged).values())))
        library, version = next(iter(backend.versions().items()))
        names.append(f"{library} {version.partition('+')[0]}")
        evaluations.append({key: value for key, value in logged[-1].items() if isinstance(value, float)})
    changed = _train_changed(makers[0](), loaded, directory, device)
    title = f"{loaded.name}, one spec: {names[0]} and {names[1]} from the same weights"
    found = Curves(title, (names[0], names[1]), curves[0], curves[1], np.array(changed))

    out = console()
    out.print(found.table())
    for name, metrics in zip(names, evaluations, strict=True):
        print(f"evaluation, {name}: {format_metrics(metrics)}")
    print(f"{loaded.name}: {found.verdict()}")
    print(f"floor: {found.floor_is()}")
    for path in found.save(directory):
        print(f"wrote {path}")


def _new_directory(given: Path | None) -> Path:
    """The given directory, which has to be new or empty, or the next free number below ``runs/demo``."""
    from zoo_common.files import explained
    from zoo_spec.errors import InputError

    if given is not None:
        with explained("make the demo's directory", given):
            given.mkdir(parents=True, exist_ok=True)
            if any(given.iterdir()):
                raise InputError(f"{given}: is not empty; every demo starts afresh, so give a new directory")
        return given
    number = 1
    while True:
        path = _RUNS / str(number)
        try:
            with explained("make the demo's directory", path):
                _RUNS.mkdir(parents=True, exist_ok=True)
            path.mkdir()
        except FileExistsError:
            number += 1
        else:
            return path


def _train_changed(backend: Backend, spec: ExperimentSpec, directory: Path, device: str) -> list[float]:
    """The loss of every step from weights that are changed by about one rounding."""
    from zoo_common.data import batches, open_dataset
    from zoo_common.parity.probes import nudged
    from zoo_common.parity.tolerances import CURVE_PERTURBATION
    from zoo_common.training.loop import run_steps
    from zoo_common.training.progress import Reporter
    from zoo_common.weights import InitialValues, as_source

    training, graph = spec.training, spec.graph()
    weights = dict(InitialValues(graph.parameters(), training.seed))
    model = backend.for_training(
        graph,
        training,
        as_source(nudged(weights, CURVE_PERTURBATION, training.seed)),
        dtype=training.precision,
        device=device,
    )
    dataset = open_dataset(spec, directory / backend.name, "train")
    ahead = batches(dataset, training.seed, training.batch_size, 0, training.steps)
    found = []
    with Reporter(f"{spec.name} ({backend.name}, changed by 1e-7)", 0, training.steps) as reporter:
        for step in run_steps(model, graph, training, ahead, 0):
            found.append(float(step.result.loss))
            reporter.step(step, found[-1])
    return found
