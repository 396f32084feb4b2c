"""Runs a family's name table in either direction, strictly: every name, every shape, every repeat."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from zoo_common.log import LOG
from zoo_spec.arrays import Array, as_array, dtype_name, rounded
from zoo_spec.errors import InputError
from zoo_spec.experiment import ExperimentSpec
from zoo_spec.foreign.names import ModelNames, NameTable, Repeat
from zoo_spec.foreign.settings import differing
from zoo_spec.models.base import Model
from zoo_spec.registry import classes
from zoo_spec.weights import check_names, check_shape

_SHOWN = 20


def from_foreign(
    spec: ExperimentSpec,
    source: str,
    tensors: Mapping[str, object],
    *,
    config: Mapping[str, object] | None = None,
) -> dict[str, Array]:
    """``{name in source: array}`` to ``{canonical name: array}``, in the dtypes that were given.

    Tensors and parameters of torch, on any device, and TensorFlow's serve as NumPy's arrays do; bfloat16, which
    NumPy lacks, comes as float32. An array whose layout is the same in both is not copied. Raises InputError, with
    everything at once, where a name is unknown or missing, a shape is not the model's, a weight is no float, or a
    tensor that only repeats another (a tied one, a buffer) differs from it.

    Weights do not say how they are computed with (which GELU, which epsilon). ``config`` is what the source's
    configuration says of that, and where the spec computes otherwise that is an InputError; without one the log
    says what is not usual there.
    """
    table = _table(spec, source)
    _check_computation(spec, source, table, config)
    shapes = _shapes(spec)
    prefixed = bool(table.prefix) and any(name.startswith(table.prefix) for name in tensors)
    names = _names(spec, source, table, shapes, prefixed=prefixed)
    given = {table.current(name): name for name in tensors}
    problems = _name_problems(names, given, tensors)
    if problems and _lacks_a_head_alone(names, given, table.prefix):
        problems.insert(
            0,
            "all of the body is there, and a head is not. To begin with a new one: convert these, without any head "
            "of theirs, for the same spec with task.kind=representation, and set them beside the new head's initial "
            "values by set_weights(model, {**get_weights(model), **weights})",
        )
    weights: dict[str, Array] = {}
    if not problems:
        read = [name for name in given if name not in names.unused]
        current = {name: as_array(given[name], tensors[given[name]]) for name in read}
        dtypes = {name: dtype_name(tensors[given[name]]) for name in read}
        weights, problems = _read(names, current, dtypes, shapes)
    if problems:
        kind, task = spec.model.kind, spec.task.kind
        head = f"these are not the {source} tensors of {spec.name} ({kind}, {task}):"
        raise InputError("\n  ".join([head, *problems]))
    return weights


def to_foreign(spec: ExperimentSpec, source: str, weights: Mapping[str, object]) -> dict[str, Array]:
    """``{canonical name: array}`` to ``{name in source: array}``, tied tensors under each of their names.

    Raises InputError unless the weights have the model's names and shapes, and the source a name for each.
    """
    shapes = _shapes(spec)
    table = _table(spec, source)
    _check_computation(spec, source, table, None)
    names = _names(spec, source, table, shapes, prefixed=None)
    check_names(shapes, weights)
    arrays = {name: as_array(name, weights[name]) for name in shapes}
    for name, shape in shapes.items():
        check_shape(name, shape, arrays[name].shape)
    tensors: dict[str, Array] = {}
    for row in names.rows:
        theirs = row.transform.write(tuple(arrays[name] for name in row.canonical))
        tensors.update(zip(row.foreign, theirs, strict=True))
    for repeat in names.repeats:
        if repeat.written:
            tensors[repeat.foreign] = repeat.value(arrays[repeat.of])
    return tensors


def _table(spec: ExperimentSpec, source: str) -> NameTable:
    tables = spec.model.foreign_names()
    if source in tables:
        return tables[source]
    kind = spec.model.kind
    if tables:
        raise InputError(f"{kind!r} has no table of names in {source!r}; it has {', '.join(tables)}")
    families = [
        name
        for name, cls in classes(Model).items()
        if issubclass(cls, Model) and cls.foreign_names is not Model.foreign_names
    ]
    raise InputError(
        f"{spec.name} is a model of kind {kind!r}, whose weights have no names in {source} (families that "
        f"have: {', '.join(families)}); give them their canonical names yourself and call set_weights"
    )


def _check_computation(
    spec: ExperimentSpec, source: str, table: NameTable, config: Mapping[str, object] | None
) -> None:
    nodes = spec.graph().nodes
    for fixed in (each for head in table.heads for each in head.fixed if each.node in nodes):
        here = getattr(nodes[fixed.node].block, fixed.field, fixed.value)
        if here != fixed.value:
            raise InputError(
                f"{spec.name}: {fixed.node} computes with the {fixed.field} {here}, and the head that {source} has "
                f"for it always with {fixed.value}, whatever its configuration says: the same weights would mean "
                f"something else. Take model.{fixed.field}: {fixed.value}, or a task without that head"
            )
    found = "; ".join(differing(table.settings, spec.model, config))
    if found and config is not None:
        raise InputError(
            f"{spec.name} computes something else than these {source} weights were made for: {found}; set these "
            "fields of the spec to what is there"
        )
    if found:
        LOG.warning(
            f"{spec.name} computes otherwise than is usual in {source}: {found}. The weights do not say which is "
            "meant; give config=, what their config.json holds, to have it checked"
        )


def _shapes(spec: ExperimentSpec) -> dict[str, tuple[int, ...]]:
    return {name: parameter.shape for name, parameter in spec.graph().parameters().items()}


def _names(
    spec: ExperimentSpec,
    source: str,
    table: NameTable,
    shapes: Mapping[str, object],
    *,
    prefixed: bool | None,
) -> ModelNames:
    names = table.names(shapes, nodes=spec.graph().nodes, prefixed=prefixed)
    if names.unnamed:
        raise InputError(
            f"{spec.name} is not the architecture that {source} has, which has no name for "
            f"{_listed(names.unnamed)}; use the family's own blocks in the model's slots, and its own tasks"
        )
    return names


def _lacks_a_head_alone(names: ModelNames, given: Mapping[str, str], prefix: str) -> bool:
    """Whether what is missing is of no backbone: its names begin with the prefix, or stand there without it."""
    missing = [name for name in names.required if name not in given]
    of_heads = [name for name in missing if not name.startswith(prefix)]
    body = [name for name in missing if name.startswith(prefix)]
    return bool(prefix and of_heads) and all(name.removeprefix(prefix) in given for name in body)


def _name_problems(names: ModelNames, given: Mapping[str, str], tensors: Iterable[str]) -> list[str]:
    known = {*names.required, *(repeat.foreign for repeat in names.repeats), *names.unused}
    found = {
        "missing": [name for name in names.required if name not in given],
        "unknown, to be left out if they are not needed": [
            as_given for name, as_given in given.items() if name not in known
        ],
        "given twice, in an older spelling too": [name for name in tensors if name not in given.values()],
    }
    return [f"{what}: {_listed(found_names)}" for what, found_names in found.items() if found_names]


def _read(
    names: ModelNames,
    tensors: Mapping[str, Array],
    dtypes: Mapping[str, str],
    shapes: Mapping[str, tuple[int, ...]],
) -> tuple[dict[str, Array], list[str]]:
    weights: dict[str, Array] = {}
    problems = [
        f"{name} holds {dtypes[name]}, which is no float: a quantized or damaged file"
        for name in names.required
        if tensors[name].dtype.kind != "f"
    ]
    for row in names.rows:
        try:
            arrays = row.transform.read(tuple(tensors[name] for name in row.foreign))
        except ValueError as error:
            problems.append(f"{', '.join(row.foreign)} {error}")
            continue
        weights.update(zip(row.canonical, arrays, strict=True))
        for name, array in zip(row.canonical, arrays, strict=True):
            if array.shape != shapes[name]:
                sizes = f"{list(array.shape)}; this model has {list(shapes[name])}"
                problems.append(f"{', '.join(row.foreign)} gives {name} the shape {sizes}")
    if not problems:
        given = [repeat for repeat in names.repeats if repeat.foreign in tensors]
        gaps = (
            _difference(repeat, tensors[repeat.foreign], dtypes[repeat.foreign], weights) for repeat in given
        )
        problems = [gap for gap in gaps if gap]
    return {name: weights[name] for name in shapes if name in weights}, problems


def _difference(repeat: Repeat, given: Array, dtype: str, weights: Mapping[str, Array]) -> str | None:
    # In the dtype of what was given: a buffer of a half-width file is rounded as its weights are.
    wanted = rounded(repeat.value(weights[repeat.of]), dtype)
    if np.array_equal(given, wanted):
        return None
    if given.shape != wanted.shape:
        gap = f"its shape is {list(given.shape)}, not {list(wanted.shape)}"
    else:
        gap = f"{np.count_nonzero(given != wanted)} of {wanted.size} values differ"
    return f"{repeat.foreign} must follow from {repeat.of}, which it repeats or counts: {gap}"


def _listed(names: Iterable[str]) -> str:
    names = list(names)
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
