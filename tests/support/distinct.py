"""Which shipped specs are different once their sizes are cut down: the others would be tested twice."""

from __future__ import annotations

import json
from functools import cache

from zoo_spec import list_specs, load_spec
from zoo_spec.experiment import ExperimentSpec, Json
from zoo_spec.shrink import shrunk

# How long a run is, and how much it reads at once: no small run depends on these.
LENGTHS = ("steps", "batch_size", "micro_batch_size", "save_every", "evaluate_every", "log_every")


@cache
def representatives() -> dict[str, str]:
    """For each shipped spec the first that gives the same numbers at the small size."""
    return _by(lambda values: _without(values, LENGTHS))


@cache
def structures() -> tuple[str, ...]:
    """One shipped spec of each wiring: the same kinds of blocks, tasks and optimizers, whatever their numbers."""
    return tuple(sorted(set(_by(_structure).values())))


@cache
def covering() -> tuple[str, ...]:
    """Of ``structures`` as many as have whatever any of them has: each time the one with most that is left.

    One of which others came to have all that it has is left out again.
    """
    found = {name: parts(shrunk(load_spec(name))) for name in structures()}
    everything = set().union(*found.values())
    left, chosen = everything, []
    while left:
        best = max(found, key=lambda name: len(left & found[name]))
        left = left - found[best]
        chosen.append(best)
    for name in tuple(chosen):
        others = [other for other in chosen if other != name]
        chosen = others if set().union(*(found[other] for other in others)) == everything else chosen
    return tuple(sorted(chosen))


@cache
def deep() -> frozenset[str]:
    """Of ``covering`` those to train with all their layers: the others are none the poorer with one.

    They have every part with one layer too, and several layers of their kind are in one of these.
    """
    repeated = {name: several(shrunk(load_spec(name))) for name in covering()}
    thick = {name for name in covering() if not _is_whole_with_one_layer(name)}
    for name in sorted(covering(), key=lambda name: -len(repeated[name])):
        if not repeated[name] <= set().union(*(repeated[other] for other in thick)):
            thick.add(name)
    return frozenset(thick)


def trained(name: str) -> ExperimentSpec:
    """The spec of ``covering`` at the small size, with one layer unless it is ``deep``."""
    return shrunk(load_spec(name, () if name in deep() else one_layer(name)))


def one_layer(name: str) -> list[str]:
    """What makes a model one of a layer, or of one in its encoder and its decoder; nothing where no field says it."""
    fields = type(load_spec(name).model).model_fields
    return [f"model.{field}=1" for field in ("num_layers", "num_decoder_layers") if field in fields]


def _is_whole_with_one_layer(name: str) -> bool:
    thin = one_layer(name)
    return bool(thin) and parts(shrunk(load_spec(name, thin))) == parts(shrunk(load_spec(name)))


def several(spec: ExperimentSpec) -> set[tuple[str, ...]]:
    """Each kind of stack that has a second layer, with the kind of layer and of the attention in it."""
    kinds = {place.path: type(place.block).__name__ for place in spec.graph().places()}
    found = set()
    for path, kind in kinds.items():
        stack, second, index = path.rpartition(".layers.")
        if second and index == "1":
            inner = (
                kinds[other]
                for other in sorted(kinds)
                if other.startswith(f"{path}.") and other.endswith("attention")
            )
            found.add((kinds[stack], kind, *inner))
    return found


def parts(spec: ExperimentSpec) -> set[tuple[str, ...]]:
    """Each kind of block in each other and with each set of inputs, and the task and ways to train."""
    places = {place.path: place for place in spec.graph().places()}
    kinds = {path: type(place.block).__name__ for path, place in places.items()}
    found = {(kinds[path], "takes", *sorted(place.inputs)) for path, place in places.items()}
    for path, kind in kinds.items():
        around = max((other for other in kinds if path.startswith(f"{other}.")), key=len, default="")
        found.add((kind, "in", kinds.get(around, "graph")))
    training = spec.training
    ways = (spec.task.kind, training.optimizer.kind, training.precision, f"recompute {training.recompute}")
    return found | {(way,) for way in ways}


def _by(reduced) -> dict[str, str]:
    first: dict[str, str] = {}
    found = {}
    for name in list_specs():
        resolved = shrunk(load_spec(name)).resolved()
        values = [resolved["model"], resolved["task"], resolved["training"]]
        found[name] = first.setdefault(json.dumps(reduced(values), sort_keys=True), name)
    return found


def _structure(values: list[Json]) -> Json:
    model, task, training = values
    optimizer = training["optimizer"]["kind"]
    return [_kinds(model), _kinds(task), optimizer, training["precision"], training["recompute"]]


def _kinds(value: Json) -> Json:
    if isinstance(value, dict):
        return {key: _kinds(item) for key, item in value.items() if key != "initializer"}
    if isinstance(value, list):
        return [_kinds(item) for item in value]
    return None if isinstance(value, int | float) and not isinstance(value, bool) else value


def _without(value: Json, ignored: tuple[str, ...]) -> Json:
    if isinstance(value, dict):
        return {key: _without(item, ignored) for key, item in value.items() if key not in ignored}
    return [_without(item, ignored) for item in value] if isinstance(value, list) else value
