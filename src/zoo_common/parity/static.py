"""The levels at one point in time: parameters, forward, loss, gradient."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from zoo_common.backend import Array, Batch, TrainingModel, Weights, state_of
from zoo_common.parity import tolerances
from zoo_common.parity.bench import Bench, path_of, taking
from zoo_common.parity.compare import Gap, gradient_gaps, largest, output_gaps
from zoo_common.parity.compare import worst as worst_of
from zoo_common.parity.naming import name_block, name_gradient
from zoo_common.parity.results import Blame, Level, LevelResult
from zoo_common.parity.rounded_once import rounded_once
from zoo_common.parity.rounding import judge
from zoo_common.parity.subject import Sizes, Turn
from zoo_spec.parameters import Parameter


def parameters(bench: Bench) -> Iterator[LevelResult]:
    """Same names and shapes as the table, and the same initial values as it draws, bit for bit."""
    seed = bench.spec.training.seed

    def drawn(name: str, parameter: Parameter) -> Array:
        return parameter.initializer.draw(seed, name, parameter.shape)

    yield from _parameters(bench, bench.initial, drawn)


def loaded(bench: Bench) -> Iterator[LevelResult]:
    """Same names and shapes as the table, and the subject's weights as float32, bit for bit, once they are set."""

    def given(name: str, _: Parameter) -> Array:
        return bench.weights[name].astype(np.float32)

    yield from _parameters(bench, bench.backend, given)


def _parameters(
    bench: Bench, make: Callable[[str, str], TrainingModel], expected: Callable[[str, Parameter], Array]
) -> Iterator[LevelResult]:
    table = bench.graph.parameters()
    for dtype in bench.narrow or ("float32",):
        worst, detail, block, side = Gap.none(), "", "", ""
        for framework in bench.frameworks:
            weights = state_of(make(framework, dtype)).weights
            if set(weights) != set(table):
                names = sorted(set(weights) ^ set(table))
                worst, detail = Gap(float("inf"), names[0]), f"{framework}: {', '.join(names)} not in both"
                break
            for name, parameter in table.items():
                wanted, found = expected(name, parameter), weights[name]
                differs = (found.shape, found.dtype) != (wanted.shape, wanted.dtype) or not np.array_equal(
                    found, wanted
                )
                if differs and not block:
                    block, side = name, framework
                    detail = (
                        f"{name} in {framework} is not what it should be, bit for bit; {framework} strayed"
                    )
                worst = worst.worse(Gap(float("inf") if differs else 0.0, f"{name} ({framework})"))
        passed = worst.value == 0
        yield LevelResult("parameters", dtype, passed, worst.value, 0.0, worst.name, detail, block, side)


def forward(bench: Bench) -> Iterator[LevelResult]:
    """Every output but the losses."""
    yield from _outputs(bench, "forward", lambda name: not _is_loss(bench, name))
    if "bfloat16" in bench.narrow:
        yield from rounded_once(bench)


def loss(bench: Bench) -> Iterator[LevelResult]:
    """The loss and each part's numerator and denominator."""
    yield from _outputs(bench, "loss", lambda name: _is_loss(bench, name))


def gradient(bench: Bench) -> Iterator[LevelResult]:
    """The gradient of the loss with respect to every parameter."""
    first, last = bench.frameworks[0], bench.frameworks[-1]
    reference: dict[str, Weights] = {}
    sizes: dict[str, dict[str, Sizes]] = {first: {}, last: {}}
    worst, blame = Gap.none(), None
    for name, batch in bench.inputs.items():
        reference[name] = bench.backend(first, "float64").gradients(batch)
        other = bench.backend(last, "float64").gradients(batch)
        gaps = _gaps(bench, "gradient", other, reference[name], batch)
        met = worst_of(gaps)
        if met.value > tolerances.FLOAT64_OUTPUTS and blame is None:
            both = (reference[name], other)
            blame = name_block(bench, batch, name) or name_gradient(bench, batch, name, both, gaps)
        worst = worst.worse(Gap(met.value, f"{met.name} ({name})"))
        sizes[first][name], sizes[last][name] = _sizes(reference[name]), _sizes(other)
    for name, turn in bench.subject.turns.items():
        # Where the loss is infinite, a gradient says nothing.
        if np.isfinite(bench.turned_outputs(first)[name].get("loss", np.inf)):
            ours = _turned_gradients(bench, first, turn, reference)
            theirs = _turned_gradients(bench, last, turn, {})
            gaps = _gaps(bench, "gradient", theirs, ours, turn.batch)
            met = worst_of(gaps)
            worst = worst.worse(Gap(met.value, f"{met.name} ({name})"))
            if met.value > tolerances.FLOAT64_OUTPUTS and blame is None:
                with taking(turn.path):
                    blame = name_gradient(bench, turn.batch, name, (ours, theirs), gaps)
    found = blame or Blame(bench.subject.doubt_gradients(reference, sizes))
    yield _judged("gradient", worst, found)
    if not found.text:
        for dtype in bench.narrow:
            given = {
                framework: {
                    name: bench.backend(framework, dtype).gradients(batch)
                    for name, batch in bench.inputs.items()
                }
                for framework in bench.frameworks
            }
            yield judge(
                bench,
                "gradient",
                dtype,
                given,
                lambda it, batch: it.gradients(batch),
                gradient_gaps,
                reference,
            )


def _turned_gradients(bench: Bench, framework: str, turn: Turn, known: Mapping[str, Weights]) -> Weights:
    """A turn's; those that are ``known`` of its batch where the framework's model knows no other path than theirs."""
    model = bench.backend(framework, "float64")
    if path_of(turn, model) is None:
        for name, batch in bench.inputs.items():
            if batch is turn.batch and name in known:
                return known[name]
    with taking(turn.path):
        return model.gradients(turn.batch)


def _outputs(bench: Bench, level: Level, chosen: Callable[[str], bool]) -> Iterator[LevelResult]:
    def pick(outputs: Weights) -> Weights:
        return {name: value for name, value in outputs.items() if chosen(name)}

    first, last = bench.frameworks[0], bench.frameworks[-1]
    everything = bench.outputs(first, "float64")
    reference = {name: pick(outputs) for name, outputs in everything.items()}
    worst = Gap.none()
    for name, outputs in bench.outputs(last, "float64").items():
        met = worst_of(_gaps(bench, level, pick(outputs), reference[name], bench.inputs[name]))
        worst = worst.worse(Gap(met.value, f"{met.name} ({name})"))
    turned = bench.turned_outputs(first)
    for name, outputs in bench.turned_outputs(last).items():
        batch = bench.subject.turns[name].batch
        met = worst_of(_gaps(bench, level, pick(outputs), pick(turned[name]), batch))
        worst = worst.worse(Gap(met.value, f"{met.name} ({name})"))
    apart = worst.value > tolerances.FLOAT64_OUTPUTS
    judged = list(next(iter(reference.values())))
    found = locate(bench) if apart else Blame(bench.subject.doubt_outputs(everything, judged))
    yield _judged(level, worst, found)
    if not found.text:
        for dtype in bench.narrow:
            given = {
                framework: {name: pick(outputs) for name, outputs in bench.outputs(framework, dtype).items()}
                for framework in bench.frameworks
            }
            yield judge(
                bench,
                level,
                dtype,
                given,
                lambda it, batch: pick(it.evaluate_step(batch)),
                output_gaps,
                reference,
            )


def _gaps(bench: Bench, level: Level, found: Weights, reference: Weights, batch: Batch) -> dict[str, Gap]:
    """Of each tensor in float64; on its size for other labels, if that is larger, where they differ on its own."""
    measure = gradient_gaps if level == "gradient" else output_gaps
    gaps = measure(found, reference)
    if worst_of(gaps).value <= tolerances.FLOAT64_OUTPUTS:
        return gaps
    return measure(found, reference, bench.contrast(level, batch))


def _judged(level: Level, worst: Gap, found: Blame) -> LevelResult:
    """What was found in float64; passed if nothing was."""
    limit = tolerances.FLOAT64_OUTPUTS
    return LevelResult(
        level, "float64", not found.text, worst.value, limit, worst.name, found.text, found.block, found.side
    )


def _sizes(tensors: Weights) -> Sizes:
    return {name: largest(value) for name, value in tensors.items()}


def _is_loss(bench: Bench, output: str) -> bool:
    return bench.graph.outputs[output].shape == () if output in bench.graph.outputs else False


def locate(bench: Bench) -> Blame:
    """The first block, in the order in which they run, that is given the same and gives something else in float64."""
    for name, batch in bench.inputs.items():
        found = name_block(bench, batch, name)
        if found is not None:
            return found
    for name, turn in bench.subject.turns.items():
        with taking(turn.path):
            found = name_block(bench, turn.batch, name, training=None)
        if found is not None:
            return found
    return Blame("no block gives something else where every one of them is recorded")
