"""JSON Schema (draft 2020-12) of spec files, so that an editor completes and checks them.

It is made from the registered classes, plugins' too. A file may inherit anything, so the schema asks for
nothing: it knows keys, types, ranges and kinds, and loading finds what is missing.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue, models_json_schema
from pydantic_core.core_schema import ModelSchema

from zoo_spec.base import Spec
from zoo_spec.blocks.base import Block
from zoo_spec.data import Data
from zoo_spec.experiment import ExperimentSpec, Json
from zoo_spec.initializers import Initializer
from zoo_spec.models.base import Model
from zoo_spec.registry import Registered, classes, own_kind
from zoo_spec.spec_files.attribute_docs import attribute_docs
from zoo_spec.spec_files.shipped import list_specs
from zoo_spec.tasks.base import Task
from zoo_spec.training.optimizers import Optimizer
from zoo_spec.training.schedules import Schedule

Schema = dict[str, Json]

_ROOTS: tuple[type[Registered], ...] = (Model, Task, Data, Block, Optimizer, Schedule, Initializer)
_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema() -> Schema:
    """The schema of a spec file, as plain JSON values."""
    concrete = {cls for root in _ROOTS for cls in classes(root).values()}
    roles = {role for cls in concrete for role in _roles(cls)}
    specs: list[type[Spec]] = [ExperimentSpec, *sorted(concrete | roles, key=lambda cls: cls.__qualname__)]
    references, generated = models_json_schema(
        [(cls, "validation") for cls in specs], schema_generator=_Described
    )
    names = {cls: str(references[cls, "validation"]["$ref"]) for cls in specs}
    definitions = {name: _mapping(_open(schema)) for name, schema in generated["$defs"].items()}
    for role in roles:
        kinds = {kind: names[cls] for kind, cls in classes(role).items()}
        definitions[_last(names[role])] = {"description": f"One of the {role.role} kinds.", **_by_kind(kinds)}
    top = definitions.pop(_last(names[ExperimentSpec]))
    extends: Schema = {**_EXTENDS, "examples": [*list_specs()]}
    return {
        "$schema": _DIALECT,
        **top,
        "title": "Zoo spec file",
        "properties": {"extends": extends, **_mapping(top["properties"])},
        "$defs": {name: definitions[name] for name in sorted(definitions)},
    }


class _Described(GenerateJsonSchema):
    """Pydantic's schemas, with the fields' docstrings."""

    def model_schema(self, schema: ModelSchema) -> JsonSchemaValue:
        found = super().model_schema(schema)
        cls: type[Spec] = schema["cls"]
        for name, text in attribute_docs(cls).items():
            if name in found["properties"]:
                found["properties"][name]["description"] = text
        return found


_EXTENDS: Schema = {
    "type": "string",
    "minLength": 1,
    "description": "The spec that this one inherits from: a shipped name, or a path relative to this file.",
}


def _roles(cls: type[Registered]) -> list[type[Registered]]:
    """The bases that a field may be typed by, to be filled by any of their kinds."""
    bases = [base for base in cls.__mro__ if issubclass(base, Registered) and base is not Registered]
    return [base for base in bases if own_kind(base) is None]


def _by_kind(references: Mapping[str, str]) -> Schema:
    """A kind alone, or a mapping checked by the class of its kind, or by any of them if it names none."""
    kinds: list[Json] = [*references]
    named: list[Json] = [
        {
            "if": {"type": "object", "required": ["kind"], "properties": {"kind": {"const": kind}}},
            "then": {"$ref": reference},
        }
        for kind, reference in references.items()
    ]
    unnamed: Schema = {
        "if": {"type": "object", "not": {"required": ["kind"]}},
        "then": {"anyOf": [{"$ref": reference} for reference in references.values()]},
    }
    return {
        "anyOf": [{"enum": kinds}, {"type": "object"}],
        "properties": {"kind": {"enum": kinds}},
        "allOf": [*named, unnamed],
    }


def _open(schema: Json) -> Json:
    """The schema without what a file may leave out."""
    if isinstance(schema, list):
        return [_open(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    kept: Schema = {}
    for key, value in schema.items():
        if key in ("properties", "$defs"):
            kept[key] = {name: _open(item) for name, item in _mapping(value).items()}
        elif key in ("const", "default", "enum"):
            kept[key] = value
        elif key not in ("title", "required"):
            kept[key] = _open(value)
    return kept


def _mapping(value: Json) -> Schema:
    return value if isinstance(value, dict) else {}


def _last(reference: str) -> str:
    return reference.rsplit("/", 1)[-1]
