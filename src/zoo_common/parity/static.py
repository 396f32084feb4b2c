"""The levels at one point in time: parameters, forward, loss, gradient."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator

import numpy as np

from zoo_common.backend import Array, Backend, Batch, Weights
from zoo_common.parity import tolerances
from zoo_common.parity.bench import Bench
from zoo_common.parity.compare import Gap, gap, gradient_gap, largest, output_gap
from zoo_common.parity.probes import nudged
from zoo_common.parity.results import Level, LevelResult


def parameters(bench: Bench) -> Iterator[LevelResult]:
    """Same names and shapes as the table, and the same initial values as it draws, bit for bit."""
    table = bench.graph.parameters()
    seed = bench.spec.training.seed
    worst, detail = Gap.none(), ""
    for framework in bench.frameworks:
        weights = bench.fresh(framework, "float32").export_state().weights
        if set(weights) != set(table):
            names = sorted(set(weights) ^ set(table))
            worst, detail = Gap(float("inf"), names[0]), f"{framework}: {', '.join(names)} not in both"
            break
        for name, parameter in table.items():
            drawn = parameter.initializer.draw(seed, name, parameter.shape)
            found = weights[name]
            differs = found.shape != drawn.shape or not np.array_equal(found, drawn)
            worst = worst.worse(Gap(float("inf") if differs else 0.0, f"{name} ({framework})"))
    yield LevelResult("parameters", "float32", worst.value == 0, worst.value, 0.0, worst.name, detail)


def forward(bench: Bench) -> Iterator[LevelResult]:
    """Every output but the losses, for full, padded and packed rows."""
    yield from _outputs(bench, "forward", lambda name: not _is_loss(bench, name))


def loss(bench: Bench) -> Iterator[LevelResult]:
    """The loss and each part's numerator and denominator."""
    yield from _outputs(bench, "loss", lambda name: _is_loss(bench, name))


def gradient(bench: Bench) -> Iterator[LevelResult]:
    """The gradient of the loss with respect to every parameter."""
    wide = {framework: _gradients(bench, framework, "float64") for framework in bench.frameworks}
    reference, other = wide[bench.frameworks[0]], wide[bench.frameworks[-1]]
    worst = Gap.none()
    for name, batch in reference.items():
        found = gradient_gap(other[name], batch)
        worst = worst.worse(Gap(found.value, f"{found.name} ({name})"))
    trouble = _without_influence(reference) or _vanishing(bench, wide)
    passed = worst.value <= tolerances.FLOAT64_OUTPUTS and not trouble
    detail = trouble or ("" if passed else locate(bench))
    yield LevelResult(
        "gradient", "float64", passed, worst.value, tolerances.FLOAT64_OUTPUTS, worst.name, detail
    )
    if passed:
        nearby = _nudged(bench, lambda backend, batch: backend.gradients(batch))
        explained = _explained(
            bench,
            max(gradient_gap(nearby[name], reference[name]).value for name in nearby),
        )
        errors = {}
        for framework in bench.frameworks:
            narrow = _gradients(bench, framework, "float32")
            worst = Gap.none()
            for name, batch in narrow.items():
                found = gradient_gap(batch, reference[name])
                worst = worst.worse(Gap(found.value, f"{found.name} ({name})"))
            errors[framework] = worst
        yield _judge("gradient", "float32", errors, explained)


def _outputs(bench: Bench, level: Level, chosen: Callable[[str], bool]) -> Iterator[LevelResult]:
    def pick(outputs: Weights) -> Weights:
        return {name: value for name, value in outputs.items() if chosen(name)}

    first, last = bench.frameworks[0], bench.frameworks[-1]
    reference = bench.outputs(first, "float64")
    worst = Gap.none()
    for name, outputs in bench.outputs(last, "float64").items():
        found = output_gap(pick(outputs), pick(reference[name]))
        worst = worst.worse(Gap(found.value, f"{found.name} ({name})"))
    trouble = _vacuous(bench, {name: pick(outputs) for name, outputs in reference.items()})
    passed = worst.value <= tolerances.FLOAT64_OUTPUTS and not trouble
    detail = trouble or ("" if passed else locate(bench))
    yield LevelResult(level, "float64", passed, worst.value, tolerances.FLOAT64_OUTPUTS, worst.name, detail)
    if not passed:
        return
    explained = _explained(
        bench,
        max(
            output_gap(pick(outputs), pick(reference[name])).value
            for name, outputs in _nudged(bench, lambda backend, batch: backend.evaluate_step(batch)).items()
        ),
    )
    errors = {}
    for framework in bench.frameworks:
        worst = Gap.none()
        for name, outputs in bench.outputs(framework, "float32").items():
            found = output_gap(pick(outputs), pick(reference[name]))
            worst = worst.worse(Gap(found.value, f"{found.name} ({name})"))
        errors[framework] = worst
    yield _judge(level, "float32", errors, explained)


def _judge(level: Level, dtype: str, errors: dict[str, Gap], explained: float) -> LevelResult:
    """Each framework against float64, and the two errors against each other."""
    limit = tolerances.ROUNDING_MULTIPLE * explained
    framework, worst = max(errors.items(), key=lambda item: item[1].value)
    least = max(min(found.value for found in errors.values()), explained)
    ratio = worst.value / least
    passed = worst.value <= limit and ratio <= tolerances.ERROR_RATIO
    each = ", ".join(f"{name} {found.value:.1e}" for name, found in errors.items())
    detail = f"from float64: {each}; rounding explains {explained:.1e}"
    if not passed:
        detail = f"{framework} strayed; {detail}"
    return LevelResult(level, dtype, passed, worst.value, limit, f"{worst.name} ({framework})", detail)


def _explained(bench: Bench, answer: float) -> float:
    kernels = bench.graph.cost(batch=1).kernels
    return max(answer, tolerances.UNIT_ROUNDOFF["float32"] * math.sqrt(max(1, kernels)))


def _nudged(bench: Bench, run: Callable[[Backend, Batch], Weights]) -> dict[str, Weights]:
    """What ``run`` gives in float64 for each probe batch, from weights that are off by one float32 rounding."""
    backend = bench.backend(bench.frameworks[0], "float64")
    backend.set_weights(nudged(bench.probes, tolerances.UNIT_ROUNDOFF["float32"], bench.seed))
    found = {name: run(backend, batch) for name, batch in bench.inputs.items()}
    backend.set_weights(bench.probes)
    return found


def _gradients(bench: Bench, framework: str, dtype: str) -> dict[str, Weights]:
    backend = bench.backend(framework, dtype)
    return {name: backend.gradients(batch) for name, batch in bench.inputs.items()}


def _vacuous(bench: Bench, outputs: dict[str, Weights]) -> str:
    """Why agreement would mean nothing: an output near zero, or one that does not answer to the input."""
    first = next(iter(outputs))
    for name, value in outputs[first].items():
        if largest(value) < tolerances.SMALLEST_SCALE:
            return f"{name} is at most {largest(value):.1e}, so agreement on it would prove nothing"
        if value.ndim and value.shape[0] > 1 and np.array_equal(value[0], value[1]):
            return f"{name} is the same for different rows, so it does not answer to the input"
    wanted = set(bench.graph.outputs)
    given = set(bench.outputs(bench.frameworks[0], "float64")[first])
    return f"outputs {sorted(wanted - given)} are missing" if wanted - given else ""


def _vanishing(bench: Bench, gradients: dict[str, dict[str, Weights]]) -> str:
    """A gradient that is zero but for rounding in one framework, and not in the other."""
    for name in bench.inputs:
        tops = {
            framework: max(largest(value) for value in found[name].values()) or 1.0  # All of them zero.
            for framework, found in gradients.items()
        }
        for parameter in gradients[bench.frameworks[0]][name]:
            sizes = {
                framework: largest(found[name][parameter]) / tops[framework]
                for framework, found in gradients.items()
            }
            if min(sizes.values()) < tolerances.VANISHING <= max(sizes.values()):
                return f"the gradient of {parameter} vanishes on one side only: {sizes}"
    return ""


def _without_influence(gradients: dict[str, Weights]) -> str:
    """A parameter that moves nothing, and is none of those that cannot."""
    tops = {name: max(largest(value) for value in found.values()) for name, found in gradients.items()}
    for parameter in next(iter(gradients.values())):
        moves = any(
            largest(found[parameter]) > tolerances.VANISHING * tops[name] for name, found in gradients.items()
        )
        if not moves and not parameter.endswith(tolerances.WITHOUT_INFLUENCE):
            return f"{parameter} moves nothing: its gradient is zero for every probe"
    return ""


def _is_loss(bench: Bench, output: str) -> bool:
    return bench.graph.outputs[output].shape == () if output in bench.graph.outputs else False


def locate(bench: Bench) -> str:
    """The first block, in the order in which they run, whose outputs part in float64."""
    first, last = bench.frameworks[0], bench.frameworks[-1]
    for name, batch in bench.inputs.items():
        ours = _by_path(bench.backend(first, "float64").block_outputs(batch))
        theirs = _by_path(bench.backend(last, "float64").block_outputs(batch))
        for path, values in ours.items():
            for left, right in zip(values, theirs.get(path, []), strict=False):
                found = gap(right, left, largest(left))
                if found > tolerances.FLOAT64_OUTPUTS:
                    sizes = f"largest value {largest(left):.6g} in {first}, {largest(right):.6g} in {last}"
                    return f"the first block whose outputs part is {path} ({name}): by {found:.1e}; {sizes}"
    return "no block's outputs part: what differs lies in the backward pass"


def _by_path(outputs: Iterable[tuple[str, Array]]) -> dict[str, list[Array]]:
    found: dict[str, list[Array]] = {}
    for path, value in outputs:
        found.setdefault(path, []).append(value)
    return found
