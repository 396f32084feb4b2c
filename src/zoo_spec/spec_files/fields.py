"""Which spec class stands at a place in a spec: field types followed down, roles resolved by ``kind``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import UnionType
from typing import Annotated, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from zoo_spec.base import Spec
from zoo_spec.experiment import ExperimentSpec
from zoo_spec.models.base import Model
from zoo_spec.registry import Registered, class_of, own_kind
from zoo_spec.spec_files.merge import Layer
from zoo_spec.tasks.base import Task
from zoo_spec.values import Path, Value


@dataclass(frozen=True)
class Expected:
    """What a field may hold: the members of its type, and the kind that stands there unless one is named."""

    types: tuple[object, ...]
    default_kind: str | None = None

    def spec_class(self, value: Value) -> type[Spec] | None:
        """The spec class that ``value``, a mapping, is to be read as."""
        kind = value.get("kind", self.default_kind) if isinstance(value, dict) else self.default_kind
        for cls in self._specs():
            own = own_kind(cls) if issubclass(cls, Registered) else None
            if not issubclass(cls, Registered) or (own is not None and kind in (None, own)):
                return cls
            named = cls.default_kind if kind is None else kind
            found = class_of(cls, named) if isinstance(named, str) and own is None else None
            if found is not None:
                return found
        return None

    @property
    def is_role(self) -> bool:
        """Whether a bare text stands for the kind of a mapping."""
        chosen = any(issubclass(cls, Registered) for cls in self._specs())
        return chosen and str not in self.types

    def below(self, value: Value, step: str | int) -> Expected:
        """What may stand under a key or a position of ``value``."""
        cls = self.spec_class(value)
        if cls is not None and isinstance(step, str):
            field = cls.model_fields.get(step)
            return _of_field(cls, step, field, value) if field else Expected(())
        found: list[object] = []
        for member in self.types:
            origin, arguments = get_origin(member), get_args(member)
            if isinstance(step, str) and origin is dict:
                found += _members(arguments[1])
            elif isinstance(step, int) and origin is tuple:
                same = len(arguments) == 2 and arguments[1] is Ellipsis
                position = 0 if same else step
                found += _members(arguments[position]) if position < len(arguments) else ()
        return Expected(tuple(found))

    def _specs(self) -> list[type[Spec]]:
        return [member for member in self.types if isinstance(member, type) and issubclass(member, Spec)]


def class_at(root: type[Spec], mapping: Value, path: Path) -> type[Spec] | None:
    """The class whose fields may stand in the mapping at ``path``; None where no spec class does."""
    expected, value = Expected((root,)), mapping
    for step in path:
        expected, value = expected.below(value, step), part(value, step)
    return expected.spec_class(value)


def default_kinds(root: type[Spec], layer: Layer) -> dict[Path, str]:
    """The kinds of the layer's mappings that name none."""
    kinds: dict[Path, str] = {}

    def visit(expected: Expected, value: Value, path: Path) -> None:
        if not isinstance(value, dict):
            return
        cls = expected.spec_class(value)
        kind = own_kind(cls) if cls is not None and issubclass(cls, Registered) else None
        if kind is not None and "kind" not in value:
            kinds[path] = kind
        for key, item in value.items():
            visit(expected.below(value, key), item, (*path, key))

    visit(Expected((root,)), layer.mapping, ())
    return kinds


def with_default_kinds(mapping: dict[str, Value], kinds: Mapping[Path, str]) -> dict[str, Value]:
    """The mapping with each of ``kinds`` written where it stands unsaid."""

    def visit(value: Value, path: Path) -> Value:
        if not isinstance(value, dict):
            return value
        said: dict[str, Value] = {"kind": kinds[path]} if path in kinds else {}
        return said | {key: visit(item, (*path, key)) for key, item in value.items()}

    filled = visit(mapping, ())
    return filled if isinstance(filled, dict) else mapping


def spell_out_kinds(root: type[Spec], layer: Layer, inherited: Layer) -> Layer:
    """The layer with ``norm: rms_norm`` written as ``norm: {kind: rms_norm}`` wherever a role is expected.

    Whether one is may depend on a ``kind`` that only ``inherited`` states.
    """
    origins = dict(layer.origins)

    def visit(expected: Expected, value: Value, below: Value, path: Path) -> Value:
        if isinstance(value, str) and expected.is_role:
            if path in origins:
                origins[(*path, "kind")] = origins[path]
            return {"kind": value}
        if isinstance(value, dict):
            around = {**below, **value} if isinstance(below, dict) else value
            return {
                key: visit(expected.below(around, key), item, part(below, key), (*path, key))
                for key, item in value.items()
            }
        if isinstance(value, tuple):
            return tuple(
                visit(expected.below(value, index), item, None, (*path, index))
                for index, item in enumerate(value)
            )
        return value

    mapping = visit(Expected((root,)), layer.mapping, inherited.mapping, ())
    return Layer(mapping if isinstance(mapping, dict) else {}, origins)


def part(value: Value, step: str | int) -> Value:
    """What stands under a key or at a position; None if nothing does."""
    if isinstance(value, dict) and isinstance(step, str):
        return value.get(step)
    if isinstance(value, tuple) and isinstance(step, int) and step < len(value):
        return value[step]
    return None


def _of_field(cls: type[Spec], name: str, field: FieldInfo, value: Value) -> Expected:
    kind = field.default.kind if isinstance(field.default, Registered) else None
    if issubclass(cls, Model):
        kind = cls.slot_kinds.get(name, kind)
    if issubclass(cls, ExperimentSpec) and name in ("task", "data"):
        # Which task a model has by default, and which data a task, is not for their fields to say.
        other = class_at(cls, value, ("model",) if name == "task" else ("task",))
        if other is not None and issubclass(other, Model | Task):
            kind = other.default_task if issubclass(other, Model) else other.default_data
    return Expected(_members(field.annotation), kind)


def _members(annotation: object) -> tuple[object, ...]:
    """The type without Annotated, and a union's members one by one."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _members(get_args(annotation)[0])
    if origin in (Union, UnionType):
        return tuple(member for choice in get_args(annotation) for member in _members(choice))
    return (annotation,)
