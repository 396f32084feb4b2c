"""JSON out of somebody's file: a mapping or a list, of a bounded size, in which no key stands twice."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from pydantic import JsonValue

from zoo_spec.reading import UnreadableFileError, printable, read_file

_LARGEST = 32_000_000
"""Bytes; the index of a hundred thousand tensors has a third of it."""


def json_mapping(raw: bytes) -> dict[str, JsonValue]:
    """The mapping that these bytes are; raises ValueError, saying what else they are."""
    found = _json(raw)
    if not isinstance(found, dict):
        raise ValueError(f"holds {printable(str(found))[:80]}, and a JSON mapping is expected")
    return found


def read_json_mapping(path: Path) -> dict[str, JsonValue]:
    """The mapping in a file. Raises InputError, naming the file, for anything else and for more than 32 MB."""
    raw = read_file(path, most=_LARGEST, remedy="is it another file?")
    try:
        return json_mapping(raw)
    except ValueError as error:
        raise UnreadableFileError(path, str(error)) from error


def read_json_list(path: Path) -> list[JsonValue]:
    """The list in a file; errors as ``read_json_mapping``."""
    raw = read_file(path, most=_LARGEST, remedy="is it another file?")
    try:
        found = _json(raw)
    except ValueError as error:
        raise UnreadableFileError(path, str(error)) from error
    if not isinstance(found, list):
        raise UnreadableFileError(path, f"holds {printable(str(found))[:80]}, and a JSON list is expected")
    return found


def _json(raw: bytes) -> JsonValue:
    try:
        found: JsonValue = json.loads(raw, object_pairs_hook=_without_repeats)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"is not JSON: {printable(str(error))[:200]}; get the file again") from error
    return found


def _without_repeats(pairs: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
    """The mapping; readers would differ in which of two values they take."""
    found = dict(pairs)
    if len(found) != len(pairs):
        name, times = Counter(name for name, _ in pairs).most_common(1)[0]
        raise ValueError(f"{name} stands in it {times} times")
    return found
