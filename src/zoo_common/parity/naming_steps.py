"""Where training makes two frameworks part: the block, parameter or moment, the step, and who strayed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from zoo_common.backend import Array, Batch, BlockCall, State, TrainingModel, Weights, import_state, state_of
from zoo_common.data import Dataset
from zoo_common.data.base import batch as make_batch
from zoo_common.parity import tolerances
from zoo_common.parity.bench import Bench
from zoo_common.parity.compare import Gap, gap, largest, output_gap
from zoo_common.parity.naming import name_calls
from zoo_common.parity.opinions import NoOpinionError, ThirdParty
from zoo_common.parity.opinions.layers import running
from zoo_common.parity.opinions.optimizers import advance
from zoo_common.parity.results import Blame
from zoo_common.training.denominators import split
from zoo_common.training.loop import train_on
from zoo_spec.blocks.norm import BatchNorm

_TRAINED = 3
"""Steps of training that are looked at one by one."""


def name_steps(bench: Bench, rates: Sequence[float], gradients: Callable[[int], Weights]) -> Blame:
    """The first of these optimizer steps that the frameworks do not make alike, both handed the same gradients."""
    backends = _started(bench, bench.weights)
    for number, rate in enumerate(rates):
        before = {name: state_of(backend) for name, backend in backends.items()}
        for backend in backends.values():
            backend.apply_gradients(gradients(number), rate)
        found = parted(bench, [state_of(backend) for backend in backends.values()], tolerances.STEP)
        if found:
            side, why = _strayed(bench, backends, before[bench.frameworks[0]], gradients(number), rate)
            return Blame(
                f"{found.name} parts at step {number + 1}, by {found.value:.1e}; {why}", found.name, side
            )
    return Blame("no step parts when it is made again")


def name_training(bench: Bench, dataset: Dataset) -> Blame:
    """What the first steps of a real training do not make alike in float64: a block, or what a step changes."""
    training = bench.spec.training
    weights = state_of(next(iter(_started(bench, None).values()))).weights
    backends = _started(bench, weights)
    for index in range(_TRAINED):
        batch = make_batch(dataset, training.seed, index, training.batch_size)
        first: Batch = split(batch, training.micro_batch_size)[0] if training.micro_batch_size else batch
        states = [state_of(backend) for backend in backends.values()]
        calls = [backend.block_calls(first, training=True) for backend in backends.values()]
        party = ThirdParty(
            bench.graph,
            states[0].weights,
            training_seed=training.seed,
            step=index,
            fixed=bench.learned.fixed,
        )
        found = name_calls(bench, calls, f"training, step {index + 1}", party)
        if found is not None:
            return found
        for backend, state in zip(backends.values(), states, strict=True):
            import_state(backend, state)  # A run in training moves statistics.
            train_on(backend, bench.graph, training, batch, index)
        worst = parted(bench, [state_of(backend) for backend in backends.values()], tolerances.TRAINED)
        if worst:
            text = f"{worst.name} parts at step {index + 1} of training in float64, by {worst.value:.1e}"
            return Blame(
                f"{text}; no block gives something else in training, so its gradient does", worst.name
            )
    return Blame(f"nothing parts in {_TRAINED} steps in float64")


def name_statistics(
    bench: Bench, backends: Sequence[TrainingModel], calls: Sequence[Sequence[BlockCall]]
) -> Blame | None:
    """The first batch norm whose statistics are not the formula's after these runs in training; None if all are."""
    for place in bench.graph.places():
        if not isinstance(place.block, BatchNorm) or place.path in bench.learned.fixed:
            continue
        names = [f"{place.path}.{leaf}" for leaf in ("running_mean", "running_var")]
        far: dict[str, float] = {}
        for framework, backend, runs in zip(_ends(bench), backends, calls, strict=True):
            given = [run.given[0] for run in runs if run.path == place.path]
            if len(given) == 1:
                wanted = running(place.block, given[0], *(bench.weights[name] for name in names))
                found = state_of(backend).weights
                kept = {leaf: found[f"{place.path}.{leaf}"] for leaf in wanted}
                value = output_gap(kept, wanted).value
                far |= {framework: value} if value > tolerances.FLOAT64_OUTPUTS else {}
        if far:
            each = ", ".join(f"{framework} {value:.1e}" for framework, value in far.items())
            side = next(iter(far)) if len(far) == 1 else ""
            text = f"{place.path} keeps other statistics than the formula's after a run in training ({each})"
            return Blame(f"{text}; {side or 'who is not known'} strayed", place.path, side)
    return None


def _ends(bench: Bench) -> tuple[str, str]:
    return bench.frameworks[0], bench.frameworks[-1]


def name_resumed(bench: Bench, framework: str, kept: State, gradients: Weights, rate: float) -> Blame:
    """What a framework does not take over from another's checkpoint, or not go on from."""
    backend = bench.fresh(framework, "float64")
    import_state(backend, kept)
    found = parted(bench, [kept, state_of(backend)], 0.0)
    if found:
        text = f"{found.name} is not what the checkpoint holds once {framework} has read it, by {found.value:.1e}"
        return Blame(text, found.name, framework)
    backend.apply_gradients(gradients, rate)
    try:
        wanted = _advanced(bench, kept, gradients, rate)
    except NoOpinionError as error:
        return Blame(f"which framework strayed is not known: there is no third opinion on {error}")
    found = parted(bench, [wanted, state_of(backend)], tolerances.STEP)
    if found:
        text = f"{found.name} parts from the formula at the first step of {framework} on it, by {found.value:.1e}"
        return Blame(text, found.name, framework)
    return Blame("the checkpoint is read as it was saved, and the optimizer goes on as it should")


def parted(bench: Bench, states: Sequence[State], limit: float) -> Gap | None:
    """What two states differ in by more than ``limit``: statistics, then moments, then weights; None if in nothing.

    Of moments and weights the last in graph order that differ: what is wrong with a gradient shows in all that lies
    before it.
    """
    ours, theirs = states
    table = bench.graph.parameters()
    learned = list(bench.learned.factors)
    statistics = [name for name in table if name not in bench.learned.factors]
    moments = [
        f"{name}/{moment}" for name in reversed(learned) for moment in bench.spec.training.optimizer.moments
    ]
    for names, one, other in (
        (statistics, ours.weights, theirs.weights),
        (moments, ours.optimizer, theirs.optimizer),
        (list(reversed(learned)), ours.weights, theirs.weights),
    ):
        for name in names:
            value = _gap(name, one, other)
            if value > limit:
                return Gap(value, name)
    return None


def _gap(name: str, ours: Mapping[str, Array], theirs: Mapping[str, Array]) -> float:
    if name not in ours or name not in theirs:
        return float("inf")
    return gap(theirs[name], ours[name], largest(ours[name]))


def _started(bench: Bench, weights: Mapping[str, Array] | None) -> dict[str, TrainingModel]:
    sides = bench.frameworks[0], bench.frameworks[-1]
    return {name: bench.fresh(name, "float64", weights) for name in sides}


def _strayed(
    bench: Bench, backends: Mapping[str, TrainingModel], before: State, gradients: Weights, rate: float
) -> tuple[str, str]:
    try:
        wanted = _advanced(bench, before, gradients, rate)
    except NoOpinionError as error:
        return "", f"which framework strayed is not known: there is no third opinion on {error}"
    far = [
        name for name, each in backends.items() if parted(bench, [wanted, state_of(each)], tolerances.STEP)
    ]
    if len(far) == 1:
        return far[0], f"{far[0]} strayed from the formula"
    return (
        "",
        f"which framework strayed is not known: {'both stray' if far else 'neither strays'} from the formula",
    )


def _advanced(bench: Bench, state: State, gradients: Weights, rate: float) -> State:
    roles = {name: each.role for name, each in bench.graph.parameters().items() if each.trainable}
    factors = bench.learned.factors
    return advance(bench.spec.training.optimizer, state, gradients, roles, rate, factors)
