"""Where two frameworks part: the block, and by a third opinion the framework that strayed."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence

import numpy as np

from zoo_common.backend import Array, Batch, BlockCall, TrainingModel, Weights
from zoo_common.parity import tolerances
from zoo_common.parity.bench import Bench
from zoo_common.parity.compare import Gap, output_gap
from zoo_common.parity.guilt import Guilt, find_guilty
from zoo_common.parity.opinions import NoOpinionError, ThirdParty
from zoo_common.parity.results import Blame

_STEP = 1e-5
"""To either side of a parameter's value: beyond it lies what is left of a difference of losses in float64."""
_CLEARLY = 10.0
"""How many times farther from a difference of losses one gradient must be than the other to have strayed."""


def name_block(bench: Bench, batch: Batch, name: str, *, training: bool | None = False) -> Blame | None:
    """The block that is given the same in both frameworks and gives something else in float64; None if none does."""
    backends = [
        bench.backend(framework, "float64") for framework in (bench.frameworks[0], bench.frameworks[-1])
    ]
    calls = [backend.block_calls(batch, training=training) for backend in backends]
    return name_calls(bench, calls, name, ThirdParty(bench.graph, bench.weights))


def name_calls(
    bench: Bench, calls: Sequence[Sequence[BlockCall]], place: str, party: ThirdParty
) -> Blame | None:
    """The same of what the two frameworks' blocks were given and gave."""
    ours, theirs = calls
    guilt = find_guilty(ours, theirs, tolerances.FLOAT64_OUTPUTS)
    if guilt is None:
        return None
    path, seen = guilt.pair.path, guilt.witness.path
    inside = "" if seen == path else f", seen first in {seen}"
    if guilt.is_wiring:
        return Blame(f"{path} ({place}) is given something else by the graph itself{inside}", path)
    side, why = strayed(bench, party, guilt)
    text = f"{path} ({place}) is given the same and gives something else, by {guilt.gap:.1e}{inside}; {why}"
    return Blame(text, path, side)


def name_gradient(
    bench: Bench, batch: Batch, name: str, gradients: Sequence[Weights], gaps: Mapping[str, Gap]
) -> Blame:
    """The parameter nearest to the loss whose gradient parts, and who strays from a difference of losses.

    Where no block's outputs part, a backward pass is wrong, and with it the gradients of all that lies before it.
    """
    ours, theirs = gradients
    parted = [each for each in ours if gaps[each].value > tolerances.FLOAT64_OUTPUTS]
    parameter = parted[-1]
    at = int(np.argmax(np.abs(np.subtract(ours[parameter], theirs[parameter], dtype=np.float64))))
    wanted = _difference(bench, batch, parameter, at)
    found = {
        framework: float(value[parameter].flat[at])
        for framework, value in zip((bench.frameworks[0], bench.frameworks[-1]), gradients, strict=True)
    }
    far, near = sorted(found, key=lambda framework: -abs(found[framework] - wanted))
    side = far if abs(found[far] - wanted) > _CLEARLY * abs(found[near] - wanted) else ""
    each = ", ".join(f"{framework} {value:.6g}" for framework, value in found.items())
    why = f"{side} strayed" if side else "which framework strayed is not known"
    text = (
        f"no block's outputs part, and the gradient of {parameter} does ({name}), by {gaps[parameter].value:.1e}; "
        f"{why} (of its value {at}: {each}, a difference of losses {wanted:.6g})"
    )
    return Blame(text, parameter, side)


def _difference(bench: Bench, batch: Batch, parameter: str, at: int) -> float:
    """The slope of the loss along one value of a parameter, from the loss on both sides of it, in float64."""
    backend = bench.backend(bench.frameworks[0], "float64")
    losses = []
    for sign in (1, -1):
        moved = np.array(bench.weights[parameter], np.float64)
        moved.flat[at] += sign * _STEP
        backend.set_weights({**bench.weights, parameter: moved})
        losses.append(float(backend.evaluate_step(batch)["loss"]))
    backend.set_weights(bench.weights)
    return (losses[0] - losses[1]) / (2 * _STEP)


def name_rounding(bench: Bench, batch: Batch, dtype: str, side: str) -> str:
    """The block whose own error in ``dtype`` is most times the other framework's, if it is many times that.

    A block's own error is how far it is from what NumPy makes, in float64, of what the block itself was given.
    """
    rule = tolerances.ROUNDING[dtype]
    other = next(framework for framework in bench.frameworks if framework != side)
    ours, theirs = (_own_errors(bench, bench.backend(framework, dtype), batch) for framework in (side, other))
    times = {path: error / max(theirs.get(path, 0.0), rule.roundoff) for path, error in ours.items()}
    worst = max(times, key=lambda path: times[path], default="")
    return worst if worst and times[worst] > rule.ratio else ""


def _own_errors(bench: Bench, backend: TrainingModel, batch: Batch) -> dict[str, float]:
    party = ThirdParty(bench.graph, bench.weights)
    errors: dict[str, float] = {}
    for call in backend.block_calls(batch):
        with contextlib.suppress(NoOpinionError):
            wanted = party.say(call.path, by_port(party, call))
            errors[call.path] = max(errors.get(call.path, 0.0), output_gap(call.gave, wanted).value)
    return errors


def strayed(bench: Bench, party: ThirdParty, guilt: Guilt) -> tuple[str, str]:
    """The framework whose outputs are not those of a third party, and the words for it; no framework if unknown."""
    path = guilt.pair.path
    try:
        wanted = party.say(path, by_port(party, guilt.pair.ours))
    except NoOpinionError as error:
        return "", f"which framework strayed is not known: there is no third opinion on {error}"
    calls = {bench.frameworks[0]: guilt.pair.ours, bench.frameworks[-1]: guilt.pair.theirs}
    gaps = {framework: output_gap(call.gave, wanted).value for framework, call in calls.items()}
    far = [framework for framework, value in gaps.items() if value > tolerances.FLOAT64_OUTPUTS]
    each = ", ".join(f"{framework} {value:.1e}" for framework, value in gaps.items())
    if len(far) == 1:
        return far[0], f"{far[0]} strayed (from NumPy: {each})"
    which = "both stray" if far else "neither strays"
    return "", f"which framework strayed is not known: {which} from NumPy ({each})"


def by_port(party: ThirdParty, call: BlockCall) -> dict[str, Array]:
    """What a run was given, by port; by number where the graph has no such block."""
    block = party.blocks.get(call.path)
    numbers = tuple(map(str, range(len(call.given))))
    ports = numbers if block is None or block.variadic else block.required
    return {**dict(zip(ports, call.given, strict=False)), **call.named}
