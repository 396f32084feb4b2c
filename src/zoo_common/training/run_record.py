"""``versions.json``, the mark of a run: the libraries that made it over time, and its ``origin``."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import JsonValue

from zoo_common.files import write_atomically
from zoo_spec.errors import InputError
from zoo_spec.reading import UnreadableFileError, read_file

FILE = "versions.json"
_FORMAT, _VERSION = "zoo-run", 1
_LARGEST = 16 << 20


def read_record(directory: Path) -> dict[str, JsonValue] | None:
    """What a run keeps there; None where there is no such file. Raises InputError for what no run of ours wrote."""
    path = directory / FILE
    if not path.exists():
        return None
    raw = read_file(path, most=_LARGEST, remedy="no run has such a one")
    try:
        content = json.loads(raw)
    except (ValueError, RecursionError):
        content = None
    if (
        not isinstance(content, dict)
        or content.get("format") != _FORMAT
        or not isinstance(content.get("versions"), list)
    ):
        raise UnreadableFileError(path, "is not what a run writes there; give another directory")
    if content.get("version") != _VERSION:
        raise InputError(
            f"{path}: has version {content.get('version')!r}, this Zoo reads {_VERSION}; update Zoo"
        )
    return content


def write_record(directory: Path, **parts: JsonValue) -> None:
    """Give these parts another content and leave the others; a crash leaves the old file or the new."""
    known = read_record(directory)
    content = {"format": _FORMAT, "version": _VERSION, "versions": [], **(known or {}), **parts}
    if content != known:
        write_atomically(directory / FILE, json.dumps(content, indent=2) + "\n")
