"""What one spec changes against another: its fields, its parameters, its FLOPs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import takewhile

from pydantic import JsonValue

from zoo_common.memory import step_sizes
from zoo_common.training.differences import leaves
from zoo_spec.experiment import ExperimentSpec
from zoo_spec.trained import frozen_names


@dataclass(frozen=True)
class Change:
    """A field by its dotted path, and its value in each spec as JSON text; None where a spec lacks it."""

    path: str
    before: str | None
    after: str | None


@dataclass(frozen=True)
class Numbers:
    """A spec's parameters, and the FLOPs of one example at these ``sizes`` of the open dimensions."""

    parameters: int
    forward: int
    training: int
    sizes: Mapping[str, int]


@dataclass(frozen=True)
class SpecDiff:
    """The fields that differ, those of one part side by side; and both specs' numbers."""

    names: tuple[str, str]
    changes: tuple[Change, ...]
    numbers: tuple[Numbers, Numbers]


def spec_diff(before: ExperimentSpec, after: ExperimentSpec, sizes: Mapping[str, int]) -> SpecDiff:
    """Field by field, resolved, without their names.

    ``sizes`` of open dimensions replace those that each spec's data gives, in the specs that have them.
    """
    was, now = (dict(leaves(spec.resolved())) for spec in (before, after))
    changes = [
        Change(path, was.get(path), now.get(path))
        for path in _together([*was], [*now])
        if path != "name" and was.get(path) != now.get(path)
    ]
    numbers = _numbers(before, sizes), _numbers(after, sizes)
    return SpecDiff((before.name, after.name), tuple(changes), numbers)


def _together(first: list[str], second: list[str]) -> list[str]:
    """All of both, in the order of the first; what only the second has stands behind what shares most of its path."""
    found = list(first)
    known = set(first)
    for path in second:
        if path not in known:
            place = max(range(len(found)), key=lambda index: (_shared(found[index], path), index), default=-1)
            found.insert(place + 1, path)
    return found


def _shared(one: str, other: str) -> int:
    """How many steps two paths begin with together."""
    pairs = zip(one.split("."), other.split("."), strict=False)
    return len(list(takewhile(lambda pair: pair[0] == pair[1], pairs)))


def _numbers(spec: ExperimentSpec, given: Mapping[str, int]) -> Numbers:
    graph = spec.graph()
    known = {name: size for name, size in given.items() if name in graph.bounds}
    sizes = step_sizes(spec, graph, **{"batch": 1, **known})
    cost = graph.cost(
        precision=spec.training.precision,
        recompute=spec.training.recompute,
        frozen=frozen_names(graph, spec.training),
        whole_logits=False,
        **sizes,
    )
    return Numbers(graph.parameter_count, cost.flops, cost.training_flops, sizes)


def to_json(found: SpecDiff) -> dict[str, JsonValue]:
    """The difference as a document; a field that a spec lacks is left out on its side."""
    fields: list[JsonValue] = []
    for change in found.changes:
        sides = {"a": change.before, "b": change.after}
        fields.append(
            {
                "path": change.path,
                **{side: json.loads(value) for side, value in sides.items() if value is not None},
            }
        )
    before, after = found.numbers

    def change_of(one: int, other: int) -> dict[str, JsonValue]:
        return {"a": one, "b": other, "change": other - one}

    return {
        "a": found.names[0],
        "b": found.names[1],
        "fields": fields,
        "parameters": change_of(before.parameters, after.parameters),
        "flops": {
            "forward": change_of(before.forward, after.forward),
            "training": change_of(before.training, after.training),
        },
        "sizes": {"a": dict(before.sizes), "b": dict(after.sizes)},
    }
