"""The shipped specs as a list, and what a spec file says of itself in its first line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from zoo_spec.loading import load_spec
from zoo_spec.shipped import display_name, looks_like_path, shipped_specs


@dataclass(frozen=True)
class Shipped:
    """A shipped spec; ``family`` is the model's kind, ``input`` the data's."""

    name: str
    family: str
    parameters: int
    task: str
    input: str
    summary: str
    file: str


def shipped() -> list[Shipped]:
    """All shipped specs, by family, and in a family the smallest first."""
    rows = []
    for name, path in shipped_specs().items():
        spec = load_spec(name)
        family, task, data = (str(getattr(part, "kind", "")) for part in (spec.model, spec.task, spec.data))
        count = spec.graph().parameter_count
        rows.append(Shipped(name, family, count, task, data, first_comment(path), display_name(path)))
    return sorted(rows, key=lambda row: (row.family, row.parameters, row.name))


def summary(name_or_path: str) -> str:
    """The first line of a spec's file, if it is a comment; nothing if it is not."""
    path = Path(name_or_path) if looks_like_path(name_or_path) else shipped_specs().get(name_or_path)
    return first_comment(path) if path is not None else ""


def first_comment(path: Path) -> str:
    """The text of a comment in the file's first line."""
    try:
        with path.open(encoding="utf-8") as file:
            line = file.readline(1000)
    except (OSError, UnicodeDecodeError):
        return ""
    return line.removeprefix("#").strip() if line.startswith("#") else ""
