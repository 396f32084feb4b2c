"""``zoo eval``: loss and metrics of a run over its evaluation data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zoo_common.cli.options import AcceptOption, DeviceOption, FrameworkOption, JsonOption, accepted, example
from zoo_common.cli.replicas import ReplicasOption, TimeoutOption, joined

if TYPE_CHECKING:
    from pydantic import JsonValue

    from zoo_common.metrics.classes import ClassScores
    from zoo_spec.graph import Graph


def register(app: typer.Typer) -> None:
    """Add the command."""
    examples = (
        "zoo eval --framework torch --run-dir runs/mnist_fc-tf",
        "zoo eval --framework tf --run-dir runs/mnist_fc-tf --at-least accuracy=0.96",
        "zoo eval --framework torch --run-dir runs/mnist_fc-tf --baseline",
    )
    app.command("eval", epilog=example(*examples))(evaluate)


def evaluate(
    context: typer.Context,
    framework: FrameworkOption,
    run_dir: Annotated[Path, typer.Option("--run-dir", metavar="DIR", help="The run's directory.")],
    at_least: Annotated[
        list[str] | None,
        typer.Option(
            "--at-least", metavar="METRIC=VALUE", help="Fail (status 1) below this; may be repeated."
        ),
    ] = None,
    baseline: Annotated[
        bool,
        typer.Option(
            "--baseline",
            help="Also score the answer that does not look at the input: each label by its share.",
        ),
    ] = False,
    accept: AcceptOption = None,
    device: DeviceOption = "auto",
    replicas: ReplicasOption = None,
    replica_timeout: TimeoutOption = None,
    as_json: JsonOption = False,
) -> None:
    """Evaluate a run's newest checkpoint, in either framework, whichever trained it.

    It is evaluated on the evaluation data of the run's spec. A classification has precision, recall and F1 of each
    class, by its name, or of each type of entities, a share of nothing being 0. A run that was trained on batches of
    a program, or on files whose content is another by now, is evaluated with --accept data only. With --replicas, or
    under torchrun or TF_CONFIG, each process runs its share of the batches.
    """
    from zoo_common.cli.output import print_json
    from zoo_common.training.spec_run import reopen
    from zoo_spec.reading import printable

    limits = dict(_limit(text) for text in at_least or ())
    accepts = accepted(accept)
    with joined(context, framework, replicas, replica_timeout) as (backend, met):
        run = reopen(backend, run_dir, device=device, accept=accepts, replicas=met)
        metrics = run.evaluate()
    if met.rank:
        return
    _require_numbers(metrics)
    blind = run.learner.blind_scores() if baseline else {}
    scores = _by_label(metrics, run.learner.graph, run.directory)
    if as_json:
        found: dict[str, JsonValue] = {
            "run_dir": str(run_dir),
            "step": run.step,
            "checkpoint": str(run.checkpoint),
        }
        by_name: dict[str, JsonValue] = {
            name: {
                "precision": each.precision,
                "recall": each.recall,
                "f1": each.f1,
                "support": each.support,
            }
            for name, each in scores.items()
        }
        classes: dict[str, JsonValue] = {"classes": by_name} if by_name else {}
        unseen: dict[str, JsonValue] = {"baseline": {**blind}} if baseline else {}
        print_json({**found, "framework": framework, **metrics, **classes, **unseen})
    else:
        for name, value in metrics.items():
            unseen_value = f"  without a look at the input {blind[name]:.6f}" if name in blind else ""
            print(f"{name:<28}{value:.6f}{unseen_value}")
        if scores:
            print(f"\n{'class':<28}precision  recall    f1        support")
        for name, each in scores.items():
            shown = "".join(f"{value:<10.6f}" for value in (each.recall, each.f1))
            print(f"{printable(name):<27} {each.precision:<11.6f}{shown}{each.support:g}")
        print(f"{'checkpoint':<28}{run.checkpoint}")
    _require(metrics, limits)


def _by_label(metrics: dict[str, float], graph: Graph, run_dir: Path) -> dict[str, ClassScores]:
    """The scores of each class by its name, or its id where it has none, or shares it with another.

    Those of the types of entities are told in the place of their labels'.
    """
    from zoo_common.data.label_names import read_label_names
    from zoo_common.training.evaluation import Evaluation
    from zoo_spec.data_fit import label_count

    if isinstance(metrics, Evaluation) and metrics.by_name:
        return dict(metrics.by_name)
    scores = metrics.classes if isinstance(metrics, Evaluation) else ()
    names = read_label_names(run_dir, label_count(graph)) if scores else None
    told = [str(label) for label in range(len(scores))] if names is None else list(names)
    shared = {name for name in told if told.count(name) > 1}
    ids = enumerate(told)
    return dict(
        zip((f"{name} ({label})" if name in shared else name for label, name in ids), scores, strict=True)
    )


def _limit(text: str) -> tuple[str, float]:
    from zoo_spec.errors import InputError

    name, equals, value = text.partition("=")
    try:
        return name, float(value)
    except ValueError:
        shown = text if equals else f"{text} (no '=')"
        raise InputError(f"--at-least {shown}: give a metric and a number, such as accuracy=0.96") from None


def _require_numbers(metrics: dict[str, float]) -> None:
    import math

    from zoo_spec.errors import ZooError

    wrong = [f"{name} is {value}" for name, value in metrics.items() if not math.isfinite(value)]
    if wrong:
        raise ZooError(f"the evaluation gives no number: {', '.join(wrong)}; look at the weights of the run")


def _require(metrics: dict[str, float], limits: dict[str, float]) -> None:
    from zoo_spec.errors import InputError, ZooError

    unknown = [name for name in limits if name not in metrics]
    if unknown:
        raise InputError(f"no metric {', '.join(unknown)}; there are: {', '.join(metrics)}")
    low = [
        f"{name} is {metrics[name]:.6f}, below {limit}"
        for name, limit in limits.items()
        if metrics[name] < limit
    ]
    if low:
        raise ZooError("; ".join(low))
