"""What a run's labels are called, in the order of their ids: ``labels.json`` in its directory."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from zoo_common.files import explained, write_atomically
from zoo_spec.errors import InputError
from zoo_spec.reading import UnreadableFileError, read_file

FILE = "labels.json"
_LARGEST = 64 << 20
_SHOWN = 10
Names = tuple[str, ...]


def in_order(names: Iterable[str]) -> Names:
    """Names in the order of their ids: sorted, whole numbers by their value if all are such."""
    found = set(names)
    return tuple(sorted(found, key=int) if all(map(_is_whole_number, found)) else sorted(found))


def read_label_names(run_dir: Path | None, classes: int | None = None) -> Names | None:
    """The names that a run keeps; None where it keeps none.

    Raises InputError for a file that is no list of names, or whose number is not that of the ``classes``.
    """
    path = None if run_dir is None else run_dir / FILE
    if path is None or not path.exists():
        return None
    raw = read_file(path, most=_LARGEST, remedy="no run has such a one")
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, list) or not all(isinstance(name, str) for name in found):
        raise UnreadableFileError(path, "is no list of names; put back the file that the run wrote")
    if classes is not None and len(found) != classes:
        raise UnreadableFileError(
            path,
            f"has {len(found)} names, and the model {classes} classes; put back the file that the run wrote",
        )
    return tuple(found)


def write_label_names(run_dir: Path, names: Sequence[str]) -> None:
    """Keep the names; one that is there must be the same, as whoever reads it has seen to."""
    with explained("write", run_dir):
        run_dir.mkdir(parents=True, exist_ok=True)
    write_atomically(run_dir / FILE, as_json(names))


def as_json(names: Sequence[str]) -> str:
    """What stands in the file."""
    return json.dumps(list(names), ensure_ascii=False, indent=1) + "\n"


def require_same(kept: Names, stated: Names, run_dir: Path | None) -> None:
    """Raise InputError where the spec names other labels than the run was trained with."""
    if kept != stated:
        raise InputError(
            f"{run_dir}/{FILE}: the run's labels are {some(kept)}, and data.labels {some(stated)}; leave data.labels "
            "out, or give another directory"
        )


def some(names: Sequence[str]) -> str:
    """The names, or the first of many."""
    shown = ", ".join(repr(name) for name in names[:_SHOWN])
    return f"{shown} and {len(names) - _SHOWN} more" if len(names) > _SHOWN else shown


def _is_whole_number(name: str) -> bool:
    digits = name.removeprefix("-")
    return digits.isascii() and digits.isdigit() and len(digits) < 19 and str(int(name)) == name
