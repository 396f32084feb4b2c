"""Runs a family's name table in either direction, strictly: every name, every shape, every repeat."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from zoo_common.interop.matching import Match, Renamed, match
from zoo_common.log import LOG
from zoo_common.weights import Entry, WeightSource
from zoo_spec.arrays import Array, as_array, dtype_name, rounded
from zoo_spec.errors import InputError
from zoo_spec.experiment import ExperimentSpec
from zoo_spec.foreign.config import Config
from zoo_spec.foreign.names import ModelNames, NameTable, Repeat
from zoo_spec.foreign.transforms import Shape
from zoo_spec.models.base import Model
from zoo_spec.registry import classes
from zoo_spec.weights import check_names, check_shape

_SHOWN = 20


def from_foreign(
    spec: ExperimentSpec,
    source: str,
    tensors: Mapping[str, object],
    *,
    config: Config | None = None,
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
    table = table_of(spec, source)
    check_computation(spec, source, table, config)
    given = _Given(tensors)
    found, _ = matched(spec, source, table, given)
    problems = _problems(found)
    if problems:
        if _lacks_a_head_alone(found):
            problems.insert(
                0,
                "all of the body is there, and a head is not. To begin with a new one: convert these, without any "
                "head of theirs, for the same spec with task.kind=representation, and set them beside the new head's "
                "initial values by set_weights(model, {**get_weights(model), **weights})",
            )
        kind, task = spec.model.kind, spec.task.kind
        head = f"these are not the {source} tensors of {spec.name} ({kind}, {task}):"
        raise InputError("\n  ".join([head, *problems]))
    read = Renamed(given, found.taken)
    weights = {name: read.read(name) for name in spec.graph().parameters()}
    gaps = (
        _difference(repeat, given.read(called), given.entries[called].dtype, weights)
        for repeat, called in found.repeats
    )
    problems = [gap for gap in gaps if gap]
    if problems:
        raise InputError("\n  ".join([f"these are not the {source} tensors of {spec.name}:", *problems]))
    return weights


def to_foreign(spec: ExperimentSpec, source: str, weights: Mapping[str, object]) -> dict[str, Array]:
    """``{canonical name: array}`` to ``{name in source: array}``, tied tensors under each of their names.

    Raises InputError unless the weights have the model's names and shapes, and the source a name for each.
    """
    shapes = shapes_of(spec)
    table = table_of(spec, source)
    check_computation(spec, source, table, None)
    names = names_of(spec, source, table, prefixed=None)
    check_names(shapes, weights)
    arrays = {name: as_array(name, weights[name]) for name in shapes}
    for name, shape in shapes.items():
        check_shape(name, shape, arrays[name].shape)
    tensors: dict[str, Array] = {}
    for row in names.rows:
        theirs = row.transform.write(tuple(arrays[name] for name in row.canonical))
        tensors.update(zip(row.foreign, map(np.ascontiguousarray, theirs), strict=True))
    for repeat in names.repeats:
        if repeat.written:
            tensors[repeat.foreign] = repeat.of_weight(arrays[repeat.of])
    return tensors


def table_of(spec: ExperimentSpec, source: str) -> NameTable:
    """The names that a source gives the weights of a spec's family; InputError where it has none."""
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


def check_computation(spec: ExperimentSpec, source: str, table: NameTable, config: Config | None) -> None:
    """Raise InputError where a source computes otherwise than the spec; without a configuration the log says so."""
    check_heads(spec, source, table)
    settings = spec.model.foreign_configs().get(source)
    if settings is None:
        return
    fields = spec.model.model_dump(mode="json", serialize_as_any=True)
    found = "; ".join(settings.differing(fields, config))
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


def check_heads(spec: ExperimentSpec, source: str, table: NameTable) -> None:
    """Raise InputError where a source's head always computes something else than the spec's."""
    nodes = spec.graph().nodes
    for fixed in (each for head in table.heads for each in head.fixed if each.node in nodes):
        here = getattr(nodes[fixed.node].block, fixed.field, fixed.value)
        if here != fixed.value:
            raise InputError(
                f"{spec.name}: {fixed.node} computes with the {fixed.field} {here}, and the head that {source} has "
                f"for it always with {fixed.value}, whatever its configuration says: the same weights would mean "
                f"something else. Take model.{fixed.field}: {fixed.value}, or a task without that head"
            )


def shapes_of(spec: ExperimentSpec) -> dict[str, Shape]:
    """The shape of each of its weights."""
    return {name: parameter.shape for name, parameter in spec.graph().parameters().items()}


def names_of(spec: ExperimentSpec, source: str, table: NameTable, *, prefixed: bool | None) -> ModelNames:
    """The table's names of a spec's weights; InputError where it has none for one of them."""
    names = table.names(shapes_of(spec), nodes=spec.graph().nodes, prefixed=prefixed)
    if names.unnamed:
        raise InputError(
            f"{spec.name} is not the architecture that {source} has, which has no name for "
            f"{_listed(names.unnamed)}; use the family's own blocks in the model's slots, and its own tasks"
        )
    return names


def matched(
    spec: ExperimentSpec, source: str, table: NameTable, given: WeightSource
) -> tuple[Match, ModelNames]:
    """What of a source's tensors is what of the spec's weights, and the names that were looked for."""
    prefixed = table.is_prefixed([table.current(name) for name in given])
    names = names_of(spec, source, table, prefixed=prefixed)
    return match(table, names, shapes_of(spec), given.entries), names


class _Given(WeightSource):
    """Arrays and tensors of either framework, with the dtypes that these call theirs."""

    def __init__(self, tensors: Mapping[str, object]) -> None:
        self._arrays = {name: as_array(name, value) for name, value in tensors.items()}
        self.entries = {
            name: Entry(dtype_name(value), self._arrays[name].shape) for name, value in tensors.items()
        }

    def read(self, name: str) -> Array:
        """The array itself: nobody changes it here."""
        return self._arrays[name]


def _lacks_a_head_alone(found: Match) -> bool:
    """Whether what is missing is of no backbone."""
    missing = [fault for fault in (*found.faults, *found.lacking) if fault.missing]
    return bool(missing) and all(fault.row.head is not None for fault in missing) and bool(found.taken)


def _problems(found: Match) -> list[str]:
    faults = (*found.faults, *found.lacking)
    lists = {
        "missing": [name for fault in faults for name in fault.missing],
        "unknown, to be left out if they are not needed": found.unknown,
        "given twice, in an older spelling too": found.twice,
    }
    lines = [f"{what}: {_listed(names)}" for what, names in lists.items() if names]
    return lines or [fault.line for fault in faults]


def _difference(repeat: Repeat, given: Array, dtype: str, weights: Mapping[str, Array]) -> str | None:
    # In the dtype of what was given: a buffer of a half-width file is rounded as its weights are.
    wanted = rounded(repeat.of_weight(weights[repeat.of]), dtype)
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
