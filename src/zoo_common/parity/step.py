"""The level ``step``: optimizers handed the same gradients, real training steps, and what dropout drops."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from zoo_common.backend import State, Weights, import_state, state_of
from zoo_common.parity import tolerances
from zoo_common.parity.bench import Bench, taking
from zoo_common.parity.compare import gap, largest
from zoo_common.parity.naming_steps import name_steps
from zoo_common.parity.part import Part
from zoo_common.parity.rates import count_rates
from zoo_common.parity.results import Blame, LevelResult
from zoo_common.parity.states import trained_states
from zoo_common.paths import paths
from zoo_spec.random import Stream

RATES = (1e-2, 3e-3, 7e-3, 5e-3)
NORMS = (4.0, 0.25, 2.0, 0.0)
"""Of each step's gradients, in clips: above and below, and gradients that are all zero."""


def step(bench: Bench) -> Iterator[LevelResult]:
    """One result of the three: the part that fails, else the optimizers', with the others in words."""
    parts: list[Part] = []
    for check in (_optimizers, trained_states, _rates):
        parts += check(bench)
        failed = [part for part in parts if not part.passed]
        if failed:
            yield _result(max(failed, key=lambda part: part.value / part.limit), "")
            return
    yield _result(parts[0], "; ".join(part.detail for part in parts[1:] if part.detail))


def _result(part: Part, others: str) -> LevelResult:
    blame = Blame(others) if part.passed else Blame(part.detail, part.block, part.side)
    return LevelResult(
        "step",
        "float64",
        part.passed,
        part.value,
        part.limit,
        part.worst,
        blame.text,
        blame.block,
        blame.side,
    )


def _optimizers(bench: Bench) -> list[Part]:
    """Steps at a changing rate with the same gradients, by each path that an update may take.

    The gradients' sizes span seven decades, so that the place and value of an epsilon shows.
    """
    worst = Part("", 0.0, tolerances.STEP, "")
    backends = [bench.backend(framework, "float64") for framework in bench.frameworks]
    starts = [replace(state_of(backend), weights=bench.weights) for backend in backends]
    gradients = [drawn_gradients(bench, number) for number in range(len(RATES))]
    chosen: list[str | None] = [*paths("update")]
    for path in chosen or [None]:
        states: list[State] = []
        for backend, start in zip(backends, starts, strict=True):
            import_state(backend, start)
            with taking(path):
                for each, rate in zip(gradients, RATES, strict=True):
                    backend.apply_gradients(each, rate)
            states.append(state_of(backend))
        first, last = states[0], states[-1]
        for left, right in ((last.weights, first.weights), (last.optimizer, first.optimizer)):
            for name in sorted(set(left) | set(right)):
                both = name in left and name in right
                value = gap(left[name], right[name], largest(right[name])) if both else math.inf
                worst = worst.tighter(Part(name, value, tolerances.STEP, name))
        for name, weight in first.weights.items():
            is_learned, is_same = name in bench.learned.factors, np.array_equal(weight, bench.weights[name])
            if is_learned and is_same:
                return [Part(name, math.inf, tolerances.STEP, name, f"{name} did not move")]
            if name in bench.learned.frozen and not is_same:
                return [Part(name, math.inf, tolerances.STEP, name, f"{name} moved, and is frozen")]
    for backend, start in zip(backends, starts, strict=True):
        import_state(backend, start)
    if not worst.passed:
        blame = name_steps(bench, RATES, lambda number: drawn_gradients(bench, number))
        worst = replace(worst, detail=blame.text, block=blame.block or worst.block, side=blame.side)
    return [worst]


def drawn_gradients(bench: Bench, number: int) -> Weights:
    """What both frameworks are handed at a step, drawn."""
    gradients: dict[str, NDArray[np.float64]] = {}
    for name, value in bench.weights.items():
        stream = Stream(bench.seed, "gradient", number, name)
        sizes = 10.0 ** (-7 * stream.uniforms(value.size))
        gradients[name] = ((2 * stream.uniforms(value.size) - 1) * sizes).reshape(value.shape)
    clip = bench.spec.training.optimizer.max_gradient_norm
    norm = math.sqrt(sum(float(np.sum(gradients[name] ** 2)) for name in bench.learned.factors))
    scale = NORMS[number] if not NORMS[number] or clip is None else NORMS[number] * clip / norm
    return {name: scale * value for name, value in gradients.items()}


def _rates(bench: Bench) -> list[Part]:
    """The place whose count is furthest from its rate."""
    worst = Part("", 0.0, tolerances.DEVIATIONS, "")
    count = 0
    for framework in bench.frameworks:
        # The last to use it: weights and buffers may change.
        for part in count_rates(bench, framework, bench.backend(framework, "float64")):
            count, worst = count + 1, worst.tighter(part)
    if not count:
        return []
    if not worst.passed:
        return [worst]
    said = f"{count} counts of dropped elements are at most {worst.value:.1f} standard deviations from their rate"
    return [Part(worst.block, worst.value, worst.limit, worst.worst, said)]
