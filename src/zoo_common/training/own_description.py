"""What stands in the place of a spec for a model that a user wrote."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from pydantic import JsonValue

from zoo_common.training.differences import Fields
from zoo_spec.reading import printable, read_file, reading
from zoo_spec.values import Value
from zoo_spec.yaml_reader import read_mapping

_LARGEST = 64 << 20
"""Bytes of a description, which has a line for each weight of the model."""
OWN = "own"
"""``kind`` of a description, where a spec file has none."""


def describe(framework: str, model: Mapping[str, JsonValue], seed: int) -> dict[str, JsonValue]:
    """What is kept of a user's model, which is told by these values, where a run of a spec has the spec."""
    return {"kind": OWN, "framework": framework, **model, "seed": seed}


def plain(value: object) -> JsonValue:
    """A user's value as JSON has it; anything else by its name, or by its type's."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    return qualified_name(value)


def qualified_name(value: object) -> str:
    """A function's or class' name, or that of the value's class.

    Without the module: that is ``__main__`` or not by how a script is started.
    """
    return str(getattr(value, "__qualname__", type(value).__qualname__))


def fingerprint(description: Fields) -> str:
    """SHA-256 of a description."""
    return hashlib.sha256(json.dumps(dict(description), sort_keys=True).encode()).hexdigest()


def read_description(file: Path) -> dict[str, JsonValue] | None:
    """What ``describe`` gave, of a run's ``spec.yaml``; None if that is a spec.

    Raises SpecError, with file and line, for a file that is no mapping in YAML.
    """
    raw = read_file(file, most=_LARGEST, remedy="no run has such a one; put back the file that it wrote")
    with reading(file, "YAML", remedy="put back the file that the run wrote"):
        values, _ = read_mapping(raw.decode("utf-8"), printable(file))
    if values.get("kind") != OWN:
        return None
    return {key: _as_json(value) for key, value in values.items()}


def _as_json(value: Value) -> JsonValue:
    if isinstance(value, dict):
        return {key: _as_json(inner) for key, inner in value.items()}
    return [_as_json(inner) for inner in value] if isinstance(value, tuple) else value
