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
    """Of ``structures`` as many as have whatever any of them has: each time the one with most that is left."""
    parts = {name: _parts(shrunk(load_spec(name))) for name in structures()}
    left = set().union(*parts.values())
    chosen = []
    while left:
        best = max(parts, key=lambda name: len(left & parts[name]))
        left -= parts[best]
        chosen.append(best)
    return tuple(sorted(chosen))


def _parts(spec: ExperimentSpec) -> set[tuple[str, ...]]:
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
