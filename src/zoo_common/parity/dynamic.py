"""The levels over time: a training curve, a run continued in the other framework."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from zoo_common.backend import Batch, State, TrainingModel, import_state, state_of
from zoo_common.checkpoint import CheckpointStore
from zoo_common.data import Dataset
from zoo_common.data.base import batch as make_batch
from zoo_common.parity import tolerances
from zoo_common.parity.bench import Bench
from zoo_common.parity.compare import Gap
from zoo_common.parity.naming_steps import name_resumed, name_training
from zoo_common.parity.probes import nudged
from zoo_common.parity.results import Blame, LevelResult
from zoo_common.parity.states import shortened
from zoo_common.parity.step import RATES, drawn_gradients
from zoo_common.training.loop import train_on
from zoo_spec.training import Training


def curve(bench: Bench, dataset: Dataset, steps: int) -> Iterator[tuple[LevelResult, dict[str, list[float]]]]:
    """Training from the same weights on the same data, against a floor measured in the same run.

    The floor is how far a framework gets from itself, started from weights changed by about one roundoff: the
    one that gets less far, since a defect may unsettle the framework that it is in. Further changes are tried
    only while the gap is above what the floor allows, since they can but raise it.
    """
    for dtype in bench.narrow:
        yield _curve(bench, dataset, steps, dtype)


def _curve(
    bench: Bench, dataset: Dataset, steps: int, dtype: str
) -> tuple[LevelResult, dict[str, list[float]]]:
    training = shortened(bench.spec.training, steps)
    short = bench.trained_as(training)
    rule = tolerances.CURVES[dtype]
    backends = {framework: short.fresh(framework, dtype) for framework in bench.frameworks}
    starts = {framework: state_of(backend) for framework, backend in backends.items()}
    curves = {
        framework: _train(short, backend, training, dataset, 0, steps)
        for framework, backend in backends.items()
    }
    first, last = bench.frameworks[0], bench.frameworks[-1]
    perturbed: dict[str, list[list[float]]] = {framework: [] for framework in bench.frameworks}
    judged = _Judged()
    for nudge in range(rule.nudges):
        for framework, backend in backends.items():
            start = starts[framework]
            weights = nudged(start.weights, rule.perturbation, bench.seed + nudge)
            import_state(backend, State(weights, start.optimizer, start.step))
            perturbed[framework].append(_train(short, backend, training, dataset, 0, steps))
        strayed = [_furthest(curves[framework], perturbed[framework]) for framework in bench.frameworks]
        quieter = min(strayed, key=lambda moves: max(map(_distance, moves)))
        judged = _judge(curves[first], curves[last], quieter, rule)
        if not judged.left_at:
            break
    curves["floor"] = [ours + move for ours, move in zip(curves[first], quieter, strict=True)]
    passed = not judged.left_at
    moved = abs(curves[first][-1] - curves[first][0])
    detail = f"the loss went from {curves[first][0]:.4f} to {curves[first][-1]:.4f} in {steps} steps"
    if judged.left_at:
        detail = f"the gap leaves the floor at step {judged.left_at}; {detail}"
    if not all(map(math.isfinite, (*curves[first], *curves[last]))):
        passed, detail = False, "a loss is not finite, and such curves are never the same"
    elif not moved:
        passed, detail = False, "the loss did not move, so agreement on it would prove nothing"
    found = Blame("") if passed else name_training(short, dataset)
    detail = f"{found.text}; {detail}" if found.text else detail
    row = LevelResult(
        "curve", dtype, passed, judged.value, judged.limit, judged.worst, detail, found.block, found.side
    )
    return row, curves


@dataclass(frozen=True)
class _Judged:
    """The step where the gap is largest beside what is allowed, and the first where it is larger; 0 if at none."""

    value: float = 0.0
    limit: float = 0.0
    worst: str = ""
    left_at: int = 0


def _judge(ours: list[float], theirs: list[float], moves: list[float], rule: tolerances.Curve) -> _Judged:
    """One curve against the other; by each step, the floor is the furthest that was moved so far."""
    floor, worst_ratio, found = 0.0, -1.0, _Judged()
    for index, (one, other, move) in enumerate(zip(ours, theirs, moves, strict=True), 1):
        floor = max(floor, abs(move), rule.least * abs(one))
        apart, allowed = _distance(other - one), rule.multiple * floor
        if apart > allowed and not found.left_at:
            found = replace(found, left_at=index)
        if apart / allowed > worst_ratio:
            worst_ratio = apart / allowed
            found = replace(found, value=apart, limit=allowed, worst=f"step {index}")
    return found


def _furthest(losses: list[float], perturbed_curves: list[list[float]]) -> list[float]:
    """By step, the largest of the perturbed curves' differences, with its sign."""
    return [
        max((loss - own for loss in each), key=_distance)
        for own, each in zip(losses, zip(*perturbed_curves, strict=True), strict=True)
    ]


def _distance(difference: float) -> float:
    return abs(difference) if math.isfinite(difference) else math.inf


def checkpoint(bench: Bench, dataset: Dataset, before: int, after: int) -> Iterator[LevelResult]:
    """Train in one framework, save, go on in the other, in both directions, in float64.

    If the spec computes in bfloat16, what a checkpoint of that holds must also be what the other framework holds
    after reading it: all of it float32, and the same bit for bit.
    """
    training = shortened(bench.spec.training, before + after)
    short = bench.trained_as(training)
    worst, blame = Gap.none(), Blame("")
    again: TrainingModel | None = None
    for one, other in (tuple(reversed(bench.frameworks)), tuple(bench.frameworks)):
        with tempfile.TemporaryDirectory(prefix="zoo-parity-") as folder:
            store = CheckpointStore(Path(folder))
            backend = again or short.fresh(one, "float64")
            _train(short, backend, training, dataset, 0, before)
            state = state_of(backend)
            store.save(state.step, state.weights, state.optimizer, {"step": state.step}, "parity")
            straight = _train(short, backend, training, dataset, before, before + after)
            found = store.load(before)
            continued = short.fresh(other, "float64")
            start = state_of(continued)
            kept = State(found.weights(), found.optimizer(), found.step)
            import_state(continued, kept)
            resumed = _train(short, continued, training, dataset, before, before + after)
            # Trains in the other direction, too: what it compiled serves both.
            import_state(continued, start)
            again = continued
        for index, (left, right) in enumerate(zip(resumed, straight, strict=True), before + 1):
            apart = abs(left - right) / abs(right) if math.isfinite(left - right) else math.inf
            worst = worst.worse(Gap(apart, f"step {index}, {one} then {other}"))
        if worst.value > tolerances.CHECKPOINT and not blame.text:
            blame = name_resumed(short, other, kept, drawn_gradients(bench, 0), RATES[0])
    passed, limit = worst.value <= tolerances.CHECKPOINT, tolerances.CHECKPOINT
    yield LevelResult(
        "checkpoint", "float64", passed, worst.value, limit, worst.name, blame.text, blame.block, blame.side
    )
    if passed and "bfloat16" in bench.narrow:
        yield _carried_over(short, dataset, before)


def _carried_over(bench: Bench, dataset: Dataset, steps: int) -> LevelResult:
    worst, block, side = Gap.none(), "", ""
    for one, other in (tuple(bench.frameworks), tuple(reversed(bench.frameworks))):
        backend, continued = bench.fresh(one, "bfloat16"), bench.fresh(other, "bfloat16")
        _train(bench, backend, bench.spec.training, dataset, 0, steps)
        with tempfile.TemporaryDirectory(prefix="zoo-parity-") as folder:
            store = CheckpointStore(Path(folder))
            state = state_of(backend)
            store.save(state.step, state.weights, state.optimizer, {"step": state.step}, "parity")
            found = store.load(steps)
            import_state(continued, State(found.weights(), found.optimizer(), found.step))
        back = state_of(continued)
        for left, right in ((back.weights, state.weights), (back.optimizer, state.optimizer)):
            for name in sorted(set(left) | set(right)):
                same = (
                    name in left
                    and name in right
                    and left[name].dtype == right[name].dtype == np.float32
                    and np.array_equal(left[name], right[name])
                )
                if not same and not block:
                    block, side = name, other
                worst = worst.worse(Gap(0.0 if same else math.inf, f"{name}, {one} then {other}"))
    detail = f"{block} is not what the checkpoint holds once {side} has read it" if block else ""
    passed = worst.value == 0
    return LevelResult("checkpoint", "bfloat16", passed, worst.value, 0.0, worst.name, detail, block, side)


def _train(
    bench: Bench, backend: TrainingModel, training: Training, dataset: Dataset, start: int, stop: int
) -> list[float]:
    losses = []
    for index in range(start, stop):
        batch: Batch = make_batch(dataset, training.seed, index, training.batch_size)
        losses.append(float(train_on(backend, bench.graph, training, batch, index).result.loss))
    return losses
