"""From what a source says of a model to an experiment's spec."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import cast

from pydantic import JsonValue

from zoo_common.interop.convert import check_heads, matched, names_of, table_of
from zoo_common.interop.matching import Match
from zoo_common.interop.repeats import differing_ties
from zoo_common.published.source import Published, as_values
from zoo_spec.errors import InputError
from zoo_spec.experiment import ExperimentSpec
from zoo_spec.foreign.config import ConfigTable, Fields, TaskClass
from zoo_spec.registry import class_of
from zoo_spec.spec_files.loading import Resolved, validate
from zoo_spec.spec_files.merge import Origin
from zoo_spec.tasks.base import Task
from zoo_spec.values import Value

REPRESENTATION = "representation"


@dataclass(frozen=True)
class Read:
    """A spec that a source's configuration says, what of the source's tensors fits it, and what is to be told."""

    spec: ExperimentSpec
    match: Match
    notes: tuple[str, ...]


def read_spec(
    published: Published,
    *,
    name: str,
    task: str | None,
    trained_as_authors: bool,
    data: Fields | None,
    representation: Fields,
) -> Read:
    """The spec of the model that was published; ``task`` is a kind that the user asks for, and
    ``representation`` what the source says of that kind of task beside its class.

    Raises InputError for a configuration that cannot be honoured, and where no task or several fit what is there.
    """
    table = published.table
    fields, told = _task(published, name, task)
    if fields["kind"] == REPRESENTATION:
        fields = {**fields, **representation}
    reading = published.read(str(fields["kind"]))
    model: dict[str, JsonValue] = {"kind": _kind(published), **reading.model}
    notes = [*published.notes, *told, *_silent(reading.left_out, reading.unknown)]
    for field, (value, line) in table.authors.items():
        if model[field] == value:
            continue
        if trained_as_authors:
            notes.append(
                f"model.{field} is {value}, as the authors had it, in place of {model[field]}: {line}"
            )
            model[field] = value
        else:
            notes.append(
                f"model.{field} is {model[field]}, as the configuration says; {line} with {value}, which "
                "--trained-as authors takes"
            )
    said: dict[str, JsonValue] = {
        "model": model,
        "task": dict(fields),
        **({"data": dict(data)} if data and _is_read(data, str(fields["kind"])) else {}),
    }
    spec = checked(name, published.config_from, {**said, **_precision(published)})
    found = match_of(published, spec)
    if table.untied and _is_untied(found, published):
        model.update(table.untied)
        spec = checked(name, published.config_from, {**said, "model": model, **_precision(published)})
        found = match_of(published, spec)
        notes.append(
            "the output has a matrix of its own: the file's differs from the table that it is tied to"
        )
    return Read(spec, found, tuple(notes))


def _is_read(data: Fields, task: str) -> bool:
    """Whether a task learns from such data; text serves any, for its tokenizer."""
    found = class_of(Task, task)
    usual = found.default_data if found is not None and issubclass(found, Task) else ""
    return data["kind"] in ("text", usual)


def match_of(published: Published, spec: ExperimentSpec) -> Match:
    """What of the published tensors is what of the spec's weights."""
    table = table_of(spec, published.source)
    check_heads(spec, published.source, table)
    return matched(spec, published.source, table, published.tensors)[0]


def checked(name: str, where: str, said: Mapping[str, JsonValue]) -> ExperimentSpec:
    """The experiment that plain values say; InputError with everything that is wrong, and where it was read."""
    mapping = cast("dict[str, Value]", as_values({"name": name, **said}))
    return validate(Resolved(name, mapping, {(): Origin(where)}, (where,)))


def _kind(published: Published) -> str:
    return str(published.family.model_fields["kind"].default)


def _precision(published: Published) -> dict[str, JsonValue]:
    """Weights in float64 are computed with in float64; narrower ones widen exactly to float32."""
    wide = any(entry.dtype == "float64" for entry in published.tensors.entries.values())
    return {"training": {"precision": "float64"}} if wide else {}


def _silent(left_out: Mapping[str, JsonValue], unknown: tuple[str, ...]) -> Iterator[str]:
    if left_out:
        said = ", ".join(f"{key} {value}" for key, value in left_out.items())
        yield f"left out of the configuration, which then means: {said}"
    if unknown:
        yield f"keys of the configuration that are not known, and were passed over: {', '.join(unknown)}"


def _task(published: Published, name: str, asked: str | None) -> tuple[Fields, list[str]]:
    """The task's fields: of the kind that is asked for, of the class that was saved, or of the heads there are."""
    table = published.table
    if asked is not None:
        return _asked(published, asked), []
    saved = table.class_of(published.classes)
    if saved is not None:
        return _fields(published, saved), []
    fits = _of_the_heads(published, name)
    if len(fits) > 1:
        kinds = sorted({kind for each in fits for kind in each.kinds[:1]})
        raise InputError(
            f"{published.config_from}: does not say which class was saved, and the head that is there may be of "
            f"{' or '.join(kinds)}; say which by --task"
        )
    if published.classes:
        names = ", ".join(published.classes)
        known = ", ".join(each.architecture for each in table.tasks)
        note = f"{names} is no class that is known here ({known}): the task is told from the names of tensors"
        return _fields(published, fits[0]), [note]
    return _fields(published, fits[0]), []


def _asked(published: Published, kind: str) -> Fields:
    saved = published.table.class_of(published.classes)
    for each in filter(None, (saved, published.table.class_for(kind))):
        fields = _fields(published, each)
        if fields["kind"] == kind:
            return fields
        if kind in each.kinds:
            return {
                **{key: value for key, value in fields.items() if key in ("bias", "dropout")},
                "kind": kind,
            }
    return {"kind": kind}


def _fields(published: Published, saved: TaskClass) -> Fields:
    try:
        return saved.read(published.config)
    except ValueError as error:
        raise InputError(f"{published.config_from}: {error}") from None


def _of_the_heads(published: Published, name: str) -> list[TaskClass]:
    """The classes that have just the heads of which there are tensors; without any, the body's."""
    table = published.table
    body = next(each for each in table.tasks if REPRESENTATION in each.kinds)
    fits: dict[str, tuple[int, TaskClass]] = {}
    for each in table.tasks:
        spec = _tried(published, table, name, each)
        if spec is None:
            continue
        names = table_of(spec, published.source)
        given = [names.current(tensor) for tensor in published.tensors]
        heads = {
            tensor
            for tensor in given
            if (place := names.place(tensor)) is not None and place.head is not None
        }
        if not heads:
            return [body]
        whole = names_of(spec, published.source, names, prefixed=names.is_prefixed(given))
        needed = {each for row in whole.rows if row.head is not None for each in row.foreign}
        known = {*whole.required, *(repeat.foreign for repeat in whole.repeats)}
        if needed <= heads <= known:
            fits.setdefault(each.kinds[0], (len(whole.heads), each))
    most = max((count for count, _ in fits.values()), default=0)
    return [each for count, each in fits.values() if count == most] or [body]


def _tried(published: Published, table: ConfigTable, name: str, saved: TaskClass) -> ExperimentSpec | None:
    try:
        fields = saved.read(published.config)
        model = table.read(published.config, task=str(fields["kind"])).model
        said: dict[str, JsonValue] = {"model": {"kind": _kind(published), **model}, "task": dict(fields)}
        return checked(name, published.config_from, said)
    except ValueError:
        return None


def _is_untied(found: Match, published: Published) -> bool:
    """Whether a tied tensor is there beside the one that it is tied to, and differs."""
    return bool(differing_ties(found, published.tensors))
