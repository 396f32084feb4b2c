"""``config.json`` of a spec, read back to see that it says the spec and no other model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from pydantic import JsonValue, ValidationError

from zoo_common.interop.convert import check_heads, table_of
from zoo_spec.errors import InputError
from zoo_spec.experiment import ExperimentSpec
from zoo_spec.foreign.config import ConfigTable, TaskClass
from zoo_spec.models.base import Model
from zoo_spec.registry import Registered, classes

SOURCE = "transformers"
_TRAINING = ("dropout", "initializer", "label_smoothing", "factor")
"""Ends of the names of fields that change nothing of what a trained model computes."""
SENTENCE = ("task.pooling", "task.normalize")
"""Fields of an output that stands beside the source's own, which other files than ``config.json`` say."""
_ELSEWHERE = ("image_size", "position_image_size", "max_positions", "max_samples")
"""Sizes that the source's model does not have, or has of its positions."""
_NOT_KEPT = (
    "architectures", "auto_map", "dtype", "id2label", "label2id", "model_type", "num_labels", "problem_type",
    "torch_dtype", "transformers_version", "_name_or_path", "_commit_hash", "_num_labels",
)  # fmt: skip
"""Keys of a configuration from before that say what an export says anew."""


@dataclass(frozen=True)
class HubConfig:
    """``keys`` of ``config.json``, the class that reads the weights, and a line for each field that is not said."""

    keys: Mapping[str, JsonValue]
    architecture: str
    left_out: tuple[str, ...] = field(default=())


def config_of(
    spec: ExperimentSpec,
    *,
    dtype: str,
    labels: tuple[str, ...] | None,
    tokens: Mapping[str, JsonValue],
    before: Mapping[str, JsonValue],
) -> HubConfig:
    """The configuration of a spec's model under its task's head.

    ``tokens`` are the ids of special tokens, ``before`` is the configuration that an imported run came with, whose
    keys that say nothing of the model are kept. Raises InputError where the source has no such family, no class with
    the task's head, or no key for what the spec computes.
    """
    table, head = _found(spec)
    model, task = _fields(spec.model), _fields(spec.task)
    try:
        said = {**table.write(model), **head.write(task)}
    except (InputError, ValueError) as error:
        raise InputError(f"{_named(spec)} is not what {head.architecture} computes: {error}") from None
    if labels is not None and "id2label" in said:
        said["id2label"] = {str(index): name for index, name in enumerate(labels)}
        said["label2id"] = {name: index for index, name in enumerate(labels)}
    kept = {key: value for key, value in before.items() if key in table.nothing and key not in _NOT_KEPT}
    keys: dict[str, JsonValue] = {
        "architectures": [head.architecture],
        **kept,
        **{key: value for key, value in tokens.items() if key not in kept},
        **said,
        "dtype": dtype,
    }
    check_heads(spec, SOURCE, table_of(spec, SOURCE))
    differences = [
        (name, line)
        for name, line in (*_model_differs(spec, table, keys), *_task_differs(spec, head, keys))
        if name not in SENTENCE
    ]
    wrong = [line for name, line in differences if not _is_harmless(name)]
    if wrong:
        raise InputError(
            f"{_named(spec)} is not what {head.architecture} computes: {'; '.join(wrong)}; --format safetensors has "
            "no such limits"
        )
    lines = [line for _, line in differences]
    if head.draws:
        lines.append(f"{head.draws}: {head.architecture} has one, draws it, and what it gives means nothing")
    return HubConfig(keys, head.architecture, tuple(lines))


def _found(spec: ExperimentSpec) -> tuple[ConfigTable, TaskClass]:
    tables = spec.model.foreign_configs()
    if SOURCE not in tables or SOURCE not in spec.model.foreign_names():
        has = [
            name
            for name, cls in classes(Model).items()
            if issubclass(cls, Model) and cls.foreign_configs is not Model.foreign_configs
        ]
        raise InputError(
            f"{_named(spec)}: {SOURCE} has no such model; it has {', '.join(has)}, of their own blocks. --format "
            "safetensors writes its weights, and the frameworks' own formats its program"
        )
    table = tables[SOURCE]
    head = table.class_for(spec.task.kind)
    if head is None:
        has = [kind for each in table.tasks for kind in each.kinds]
        raise InputError(
            f"{_named(spec)}: {SOURCE} has no class of {table.model_type} with the head of {spec.task.kind}; it has "
            f"those of {', '.join(dict.fromkeys(has))}"
        )
    return table, head


def _named(spec: ExperimentSpec) -> str:
    return f"{spec.name} ({spec.model.kind}, {spec.task.kind})"


def _fields(part: Registered) -> dict[str, JsonValue]:
    found: dict[str, JsonValue] = part.model_dump(mode="json", serialize_as_any=True)
    return found


def _model_differs(
    spec: ExperimentSpec, table: ConfigTable, keys: Mapping[str, JsonValue]
) -> Iterator[tuple[str, str]]:
    """Fields in which the model that the keys say differs from the spec's, by path, with a line for each."""
    known = classes(Model)
    cls = type(spec.model) if spec.model.kind == table.model_type else known[table.model_type]
    read = table.read(keys, task=spec.task.kind).model
    yield from _differs("model", _fields(spec.model), _fields(_made(cls, {"kind": table.model_type, **read})))


def _task_differs(
    spec: ExperimentSpec, head: TaskClass, keys: Mapping[str, JsonValue]
) -> Iterator[tuple[str, str]]:
    read = head.read(keys)
    there = _made(type(spec.task), {**read, "kind": spec.task.kind})
    yield from _differs("task", _fields(spec.task), _fields(there))


def _made(cls: type[Registered], fields: Mapping[str, JsonValue]) -> Registered:
    try:
        return cls.model_validate(_strict(dict(fields)))
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None


def _strict(value: object) -> object:
    """With tuples for lists, as specs have them."""
    if isinstance(value, dict):
        return {name: _strict(each) for name, each in value.items()}
    return tuple(map(_strict, value)) if isinstance(value, list) else value


def _differs(path: str, ours: JsonValue, theirs: JsonValue) -> Iterator[tuple[str, str]]:
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for name in ours:
            if name in theirs and not (path == "model" and name == "kind"):
                yield from _differs(f"{path}.{name}", ours[name], theirs[name])
    elif ours != theirs:
        yield path, f"{path} is {_shown(ours)}, and there {_shown(theirs)}"


def _shown(value: JsonValue) -> str:
    return str(value["kind"]) if isinstance(value, dict) and "kind" in value else str(value)


def _is_harmless(path: str) -> bool:
    """Whether no trained weight is used otherwise for a field of this path, or it is a size of the input."""
    names = path.split(".")
    return any(name.endswith(_TRAINING) for name in names) or names[-1] in _ELSEWHERE
