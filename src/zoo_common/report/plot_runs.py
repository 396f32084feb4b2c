"""From the metrics of runs to their picture: what to call them, and whether two are one run in two frameworks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from zoo_common.parity import tolerances
from zoo_common.report.curves import Curves, read_curves
from zoo_common.report.plot import Floats, Gap, Ints, Line, Picture
from zoo_common.training.differences import differences
from zoo_common.training.run_directory import RunDirectory, read_metrics
from zoo_spec import load_spec
from zoo_spec.errors import InputError, ZooError
from zoo_spec.experiment import ExperimentSpec

_METRICS = "metrics.jsonl"
_SPLITS = {"train": "training", "eval": "evaluation"}
_EPSILON = {"float32": 2.0**-23, "float64": 2.0**-52, "bfloat16": 2.0**-7}
_CROSS_ENTROPIES = {"softmax_cross_entropy"}


@dataclass(frozen=True)
class RunCurve:
    """One metric of one split of a run, at each step that logged it."""

    path: Path
    name: str
    steps: Ints
    values: Floats

    @cached_property
    def spec(self) -> ExperimentSpec | None:
        """The run's spec; None where it is missing or no longer valid, for its curve can be drawn all the same."""
        file = RunDirectory(self.path).spec_file
        try:
            return load_spec(file) if file.is_file() else None
        except ZooError:
            return None

    @cached_property
    def demo(self) -> Curves | None:
        """What the demo that made this run has measured."""
        return read_curves(self.path.parent)


def find_runs(paths: Sequence[Path]) -> list[Path]:
    """Each run's directory once; a directory that is no run stands for the runs in it, as a demo's does.

    Raises InputError for a path that is neither.
    """
    found: dict[Path, Path] = {}
    for path in paths:
        if not path.exists():
            raise InputError(f"{path}: there is no such directory; give a run's (zoo train --run-dir)")
        own, below = path / _METRICS, path.glob(f"*/{_METRICS}")
        runs = [path] if own.is_file() else sorted(file.parent for file in below)
        if not runs and (path / RunDirectory(path).versions_file.name).is_file():
            raise InputError(f"{path}: this run has logged nothing yet; wait for its first step")
        if not runs:
            raise InputError(f"{path}: holds no run (no {_METRICS} in it or one level below); give a run's")
        for run in runs:
            found.setdefault(run.resolve(), run)
    return list(found.values())


def read_curves_of(runs: Sequence[Path], metric: str, split: str) -> list[RunCurve]:
    """The metric of every run that has logged it; raises InputError, with what there is, if none has."""
    names = names_of(runs)
    curves, there = [], set()
    for run, name in zip(runs, names, strict=True):
        points: dict[int, float] = {}
        for record in read_metrics(run / _METRICS):
            step = record.get("step")
            numbers = {
                key: float(value)
                for key, value in record.items()
                if isinstance(value, int | float) and not isinstance(value, bool) and key != "step"
            }
            there |= {f"{key} ({record.get('split')})" for key in numbers}
            if isinstance(step, int) and record.get("split") == split and metric in numbers:
                points[step] = numbers[metric]
        steps = sorted(points)
        values = np.array([points[step] for step in steps], float)
        curves.append(RunCurve(run, name, np.array(steps, np.int64), values))
    if not any(len(curve.steps) for curve in curves):
        where = str(runs[0]) if len(runs) == 1 else f"{len(runs)} runs"
        known = f"; there is: {', '.join(sorted(there))}" if there else "; nothing is logged there yet"
        raise InputError(f"{where}: no {_SPLITS.get(split, split)} {metric!r}{known}")
    return curves


def names_of(runs: Sequence[Path]) -> list[str]:
    """What to call each run: its directory's name, with as many parents as tell it from the others."""
    parts = [run.resolve().parts for run in runs]
    names = []
    for own in parts:
        length = 1
        while length < len(own) and sum(other[-length:] == own[-length:] for other in parts) > 1:
            length += 1
        names.append("/".join(own[-length:]))
    return names


def picture_of(
    curves: Sequence[RunCurve], metric: str, split: str, *, smooth: int = 1, log_y: bool = False
) -> Picture:
    """The curves, and where they are two of one spec, their gap against the floor."""
    drawn = [curve for curve in curves if len(curve.steps)]
    specs = [curve.spec for curve in drawn]
    known = {spec.name for spec in specs if spec is not None}
    title = known.pop() if len(known) == 1 and None not in specs else f"{len(drawn)} runs"
    what = metric.replace("_", " ")
    unit = _unit(metric, specs)
    return Picture(
        title if len(drawn) == 1 or title.endswith("runs") else f"{title}: {len(drawn)} runs",
        f"{_SPLITS[split]} {what}{unit}",
        [Line(curve.name, curve.steps, curve.values) for curve in drawn],
        _gap(drawn, metric, split),
        f"difference in {what}{unit}",
        log_y,
        smooth,
    )


def _unit(metric: str, specs: Sequence[ExperimentSpec | None]) -> str:
    """`` (nats)`` for a loss that is cross-entropies only."""
    if metric != "loss" and not metric.endswith("_loss"):
        return ""
    graphs = [spec.graph() for spec in specs if spec is not None]
    kinds = {graph.nodes[part.node].block.kind for graph in graphs for part in graph.loss_parts}
    return " (nats)" if kinds and kinds <= _CROSS_ENTROPIES and None not in specs else ""


def _gap(curves: Sequence[RunCurve], metric: str, split: str) -> Gap | None:
    """Of two runs of one spec, at the steps that both have; None for any others."""
    if len(curves) != 2 or metric == "learning_rate":
        return None
    first, second = curves
    if first.spec is None or second.spec is None or not _same(first.spec, second.spec):
        return None
    steps, one, two = np.intersect1d(first.steps, second.steps, assume_unique=True, return_indices=True)
    if not len(steps):
        return None
    with np.errstate(invalid="ignore"):
        gap = np.abs(second.values[two] - first.values[one])
    demo = first.demo or second.demo
    if demo is not None and (metric, split) == ("loss", "train"):
        measured = np.arange(1, len(demo.floor) + 1)
        return Gap(steps, gap, measured, demo.floor, demo.floor_is(), is_measured=True)
    precision = first.spec.training.precision
    ulps = tolerances.CURVE_ULPS * _EPSILON[precision] * np.abs(first.values[one])
    floor = np.fmax.accumulate(np.where(np.isfinite(ulps), ulps, np.nan))
    floor_is = (
        f"{tolerances.CURVE_ULPS:g} {precision} ulp of the {metric.replace('_', ' ')}, no run measured it"
    )
    if _draws_own_masks(first.spec):
        floor_is += (
            ";\ndropout masks differ between frameworks (training.random: native), so the gap may be wide"
        )
    return Gap(steps, gap, steps, floor, floor_is, is_measured=False)


def _same(one: ExperimentSpec, two: ExperimentSpec) -> bool:
    """Whether both train the same way on the same data from the same seed; one may go on for longer."""
    before, after = one.resolved(), two.resolved()
    return not differences(before, after) or not differences(after, before)


def _draws_own_masks(spec: ExperimentSpec) -> bool:
    rates = (getattr(place.block, "rate", 0) for place in spec.graph().places())
    return spec.training.random == "native" and any(rates)
