"""What training leaves behind, compared: weights, optimizer moments and buffers after one real step and after ten, in
float64, with micro-batches of unequal size, layers recomputed and dropout from the portable generator."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from zoo_common.backend import Batch, State, TrainingModel, Weights, import_state, state_of
from zoo_common.parity import tolerances
from zoo_common.parity.bench import Bench
from zoo_common.parity.compare import gap, largest
from zoo_common.parity.naming import name_calls
from zoo_common.parity.naming_steps import name_statistics
from zoo_common.parity.opinions import ThirdParty
from zoo_common.parity.part import Part
from zoo_common.parity.probes import nudged, probe_inputs
from zoo_common.training.denominators import denominators, split
from zoo_common.training.loop import train_on
from zoo_spec.errors import EnvironmentFault, SpecError
from zoo_spec.training import Training

HOPELESS = 1e3
"""How many times its limit a difference is that no further change of an ulp will explain."""
COMPARED = (1, 10)
"""Steps after which the states are compared."""
IDLE = 4
"""The step, counted from 0, in which every label that can be weighted weighs nothing."""
MICRO = 2
"""Rows at once, of the probes' three: uneven."""


def trained_states(bench: Bench) -> list[Part]:
    """After each of ``COMPARED`` steps, the tensor that stands highest above what is allowed it.

    That is ``STEP``, or what an ulp's change of the first weights makes of it: training may enlarge what rounding
    leaves, and where a gradient is zero but for rounding an optimizer that divides by its size does so by much. As
    with curves, the framework that such changes move less is the measure, and more are tried only where one does
    not explain what is found.
    """
    training = shortened(bench.spec.training, COMPARED[-1])
    training = training.model_copy(update={"recompute": _has_layers(bench)})
    short = bench.trained_as(training)
    batches = [_batch(bench, step) for step in range(COMPARED[-1])]
    if all(denominators(bench.graph, batch) is not None for batch in batches):
        training = training.model_copy(update={"micro_batch_size": MICRO})
    backends = {framework: _fresh(short, framework) for framework in bench.frameworks}
    starts = {framework: state_of(backend) for framework, backend in backends.items()}
    states = {framework: _train(short, it, training, batches) for framework, it in backends.items()}
    moved: dict[str, list[list[State]]] = {framework: [] for framework in bench.frameworks}
    parts: list[Part] = []
    for nudge in range(tolerances.STATE_NUDGES):
        for framework, backend in backends.items():
            start = starts[framework]
            weights = nudged(bench.weights, 2.0**-52, bench.seed + nudge)
            import_state(backend, State(weights, start.optimizer, start.step))
            moved[framework].append(_train(short, backend, training, batches))
        parts = [_judge(index, states, moved) for index in range(len(COMPARED))]
        if all(part.value <= part.limit or part.value > HOPELESS * part.limit for part in parts):
            break
    return [part if part.passed else _blamed(short, training, batches[0], part) for part in parts]


def _blamed(bench: Bench, training: Training, batch: Batch, part: Part) -> Part:
    """With the first block that gives something else in training, if one does; else the tensor is named."""
    first = split(batch, training.micro_batch_size)[0] if training.micro_batch_size else batch
    backends = [_fresh(bench, framework) for framework in (bench.frameworks[0], bench.frameworks[-1])]
    calls = [backend.block_calls(first, training=True) for backend in backends]
    party = ThirdParty(bench.graph, bench.weights, training_seed=training.seed, fixed=bench.learned.fixed)
    found = name_calls(bench, calls, "training", party) or name_statistics(bench, backends, calls)
    said = f"{part.worst} parts, by {part.value:.1e}"
    if found is None:
        return replace(
            part, detail=f"{said}; no block gives something else in training, so its gradient does"
        )
    return replace(part, detail=f"{said}; {found.text}", block=found.block, side=found.side)


def _judge(
    index: int, states: Mapping[str, Sequence[State]], moved: Mapping[str, Sequence[Sequence[State]]]
) -> Part:
    found = {framework: each[index] for framework, each in states.items()}
    first, last = found[next(iter(found))], list(found.values())[-1]
    scales, after = _scales(first), COMPARED[index]
    floors = []
    for framework, runs in moved.items():
        each = [_apart(found[framework], run[index], scales) for run in runs]
        floors.append({name: max(moves[name] for moves in each) for name in each[0]})
    worst = Part("", 0.0, tolerances.STEP, "")
    for key, value in _apart(first, last, scales).items():
        floor = min(each.get(key, math.inf) for each in floors)
        limit = max(tolerances.STEP, tolerances.STATE_MULTIPLE * floor)
        worst = worst.tighter(Part(key, value, limit, f"{key} after {after} training steps"))
    return replace(worst, detail=f"{worst.worst}: {worst.value:.1e}, limit {worst.limit:.1e}")


def _tensors(state: State) -> Weights:
    return {**state.weights, **state.optimizer}


def _scales(state: State) -> dict[str, float]:
    """What a tensor's differences are judged on: its own size, or a part of the largest of its kind.

    A moment of a gradient that is zero but for rounding has nothing of its own to be judged on.
    """
    tops: dict[str, float] = {}
    for name, value in _tensors(state).items():
        kind = name.partition("/")[2]
        tops[kind] = max(tops.get(kind, 0.0), largest(value))
    return {
        name: max(largest(value), tolerances.GRADIENT_SCALE * tops[name.partition("/")[2]])
        for name, value in _tensors(state).items()
    }


def _apart(one: State, other: State, scales: Mapping[str, float]) -> dict[str, float]:
    """How far two states are apart, by tensor; infinite for one that stands on one side only."""
    left, right = _tensors(one), _tensors(other)
    names = sorted(set(left) | set(right))
    return {
        name: gap(left[name], right[name], scales[name]) if name in left and name in right else math.inf
        for name in names
    }


def _train(bench: Bench, backend: TrainingModel, training: Training, batches: Sequence[Batch]) -> list[State]:
    """The states after each of ``COMPARED`` steps."""
    states = []
    for index, batch in enumerate(batches):
        float(train_on(backend, bench.graph, training, batch, index).result.loss)
        if index + 1 in COMPARED:
            states.append(state_of(backend))
    return states


def _batch(bench: Bench, step: int) -> Batch:
    """Of the probes' rows those of which most is told, drawn anew each step; in one there is nothing to learn."""
    batch = dict(list(probe_inputs(bench.graph, bench.seed + step).values())[-1])
    if step == IDLE:
        batch |= {
            part.weights: np.zeros_like(batch[part.weights])
            for part in bench.graph.loss_parts
            if part.weights in batch
        }
    return batch


def _fresh(bench: Bench, framework: str) -> TrainingModel:
    """With the probes' weights; not recomputing where a block of the user's own cannot."""
    try:
        return bench.fresh(framework, "float64", bench.weights)
    except EnvironmentFault:
        if not bench.spec.training.recompute:
            raise
        training = bench.spec.training.model_copy(update={"recompute": False})
        return bench.trained_as(training).fresh(framework, "float64", bench.weights)


def _has_layers(bench: Bench) -> bool:
    try:
        return bool(bench.graph.layers())
    except SpecError:
        return False


def shortened(training: Training, steps: int) -> Training:
    """The spec's own training over few steps: a short warm-up, a small batch, dropout that is comparable."""
    size = min(training.batch_size, 8)
    micro = training.micro_batch_size
    warmup = min(training.schedule.warmup_steps, 3)
    return training.model_copy(
        update={
            "steps": steps,
            "batch_size": size,
            "micro_batch_size": size // 2 if micro is not None and size % 2 == 0 else None,
            "schedule": training.schedule.model_copy(update={"warmup_steps": warmup}),
            "random": "portable",
        }
    )
