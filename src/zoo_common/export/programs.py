"""A trained model as a program that its framework runs without this package."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pydantic import JsonValue

from zoo_common.backend import Backend, Exported, InferenceModel
from zoo_common.export.folder import new_export, put, sign
from zoo_spec.errors import EnvironmentFault, InputError
from zoo_spec.experiment import ExperimentSpec
from zoo_spec.frameworks import framework
from zoo_spec.graph import Graph
from zoo_spec.models.inputs import PACKED_ONLY, TRAINING_ONLY
from zoo_spec.tensors import TensorSpec

OPTIMIZER = "the optimizer and its moments: the run's checkpoints have them"
_OVERHEAD = 8 << 20
"""Bytes for the program beside its weights; that of a 24-layer BERT was seen to take 4 MB."""


def export(
    model: InferenceModel,
    backend: Backend,
    spec: ExperimentSpec,
    beside: Mapping[str, bytes],
    output: Path,
    *,
    step: int,
    format: str | None = None,
    features: Sequence[str] | None = None,
    labels: Sequence[str] | None = None,
    overwrite: bool = False,
) -> dict[str, JsonValue]:
    """Write the backend's model to the directory ``output``, whole or not at all; returns its signature.

    The files ``beside`` are written into it by their names. ``format`` is one of the backend's, by default its first.
    ``features`` are the inputs that the program takes, by default ``serving_features``, ``labels`` what its labels
    are called. An earlier export is replaced if ``overwrite``. Raises InputError for a format that the backend has
    not, for features that the model has not or cannot do without, and for an output that is there; EnvironmentFault
    if it cannot be written.
    """
    graph = spec.graph()
    chosen = format or own_format(backend.name)
    names = serving_features(graph, features)
    needed = _OVERHEAD + sum(value.size for value in graph.parameters().values()) * (
        8 if spec.training.precision == "float64" else 4
    )
    with new_export(output, needed, overwrite=overwrite) as partial:
        exported = model.export(partial, names, chosen)
        put(beside, partial)
        content: dict[str, JsonValue] = {
            "framework": backend.name,
            "kind": chosen,
            "program": exported.program,
            **_described(spec, graph, exported),
            **({} if labels is None else {"labels": list(labels)}),
            "left_out": [*_left_out(graph, exported)],
        }
        return sign(partial, spec, content, step=step, files=beside, versions=backend.versions())


def own_format(name: str) -> str:
    """What a framework writes where no format is named; EnvironmentFault for one that has none."""
    found = framework(name)
    if not found.exports:
        raise EnvironmentFault(
            f"{found.title} has no form of a program to export; name another --framework or a --format"
        )
    return found.exports[0]


def serving_features(graph: Graph, wanted: Sequence[str] | None = None) -> list[str]:
    """The inputs that a program takes, in the graph's order: ``wanted``, or all that one example a row needs.

    By default that is every feature but those which only packed rows or only training have; labels never. Raises
    InputError for names that are no features, and for required ones that are left out.
    """
    if wanted is None:
        return [name for name in graph.features if name not in (*PACKED_ONLY, *TRAINING_ONLY)]
    wrong = []
    for name in wanted:
        if name in graph.labels:
            wrong.append(f"{name!r} is a label, which no prediction needs")
        elif name not in graph.features:
            near = difflib.get_close_matches(name, graph.features, n=1)
            wrong.append(f"there is no {name!r}" + "".join(f" (did you mean {each!r}?)" for each in near))
    required = [name for name in graph.features if not graph.inputs[name].optional]
    wrong += [f"{name!r} is left out, and required" for name in required if name not in wanted]
    if wrong:
        raise InputError(f"{graph.name}: {'; '.join(wrong)}; its features are {', '.join(graph.features)}")
    return [name for name in graph.features if name in wanted]


def _left_out(graph: Graph, exported: Exported) -> Iterator[str]:
    """A line for each thing that the program has not and the run's model has."""
    yield OPTIMIZER
    without = [name for name in graph.inputs if name not in exported.inputs]
    labels = [name for name in without if name in graph.labels]
    features = [name for name in without if name not in graph.labels]
    if labels:
        yield f"the loss and what it is taken over: {', '.join(labels)}"
    if features:
        yield f"what depends on {', '.join(features)}, which the program does not take"
    yield from exported.left_out


def _described(spec: ExperimentSpec, graph: Graph, exported: Exported) -> dict[str, JsonValue]:
    """What the program takes and gives, and the sizes that its open dimensions may have."""
    sizes: dict[str, JsonValue] = {
        name: {"minimum": bound.minimum, "maximum": bound.maximum}
        for name, bound in graph.bounds.items()
        if any(name in graph.inputs[each].shape for each in exported.inputs)
    }
    described: dict[str, JsonValue] = {
        "inputs": {name: _tensor(graph.inputs[name], dtype) for name, dtype in exported.inputs.items()},
        "outputs": {name: _tensor(graph.outputs[name], dtype) for name, dtype in exported.outputs.items()},
        "sizes": sizes,
    }
    preprocessing: dict[str, JsonValue] = {**spec.data.preprocessing()}
    if preprocessing:
        described["preprocessing"] = preprocessing
    return described


def _tensor(spec: TensorSpec, dtype: str) -> JsonValue:
    meaning = {"description": spec.description} if spec.description else {}
    return {"shape": list(spec.shape), "dtype": dtype, **meaning}
