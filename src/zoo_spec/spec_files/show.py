"""A resolved spec as YAML: every value with where it came from, and loadable again to an equal spec."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import PurePath

from zoo_spec.experiment import ExperimentSpec
from zoo_spec.models.base import Model
from zoo_spec.spec_files.fields import part
from zoo_spec.spec_files.flat_fields import MODEL, replaced_flat_fields
from zoo_spec.spec_files.loading import Resolved
from zoo_spec.values import Path, Value
from zoo_spec.yaml_reader import scalar

_PLAIN = re.compile(r"[A-Za-z_./][A-Za-z0-9_./-]*")


def show(resolved: Resolved, spec: ExperimentSpec) -> str:
    """The text; ``spec`` is what ``resolved`` was validated to.

    A flat field and the slot that it fills hold one value between them. It is shown where it counts, and
    elsewhere as a comment: said twice, it would be the conflict that loading refuses.
    """
    values: dict[str, Value] = spec.model_dump(serialize_as_any=True)
    notes = [f"# {note}" for note in resolved.notes]
    lines = _Writer(resolved, *_slot_fields(resolved, spec.model)).mapping(values, ())
    return "\n".join([*notes, *lines]) + "\n"


def flow(value: Value) -> str:
    """The value on one line, as this package's reader reads it."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{flow(key)}: {flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, tuple):
        return "[" + ", ".join(flow(item) for item in value) + "]"
    if isinstance(value, str):
        plain = _PLAIN.fullmatch(value) and scalar(value) == value
        return value if plain else _escaped(json.dumps(value, ensure_ascii=False))
    return json.dumps(value)


def _escaped(text: str) -> str:
    """JSON leaves some characters alone that YAML does not take."""
    return "".join(each if each.isprintable() else f"\\U{ord(each):08x}" for each in text)


def _slot_fields(resolved: Resolved, model: Model) -> tuple[dict[Path, str], dict[Path, Path]]:
    """What to show as a comment, with the reason, and which slot's field comes from which flat one."""
    comments: dict[Path, str] = {}
    sources: dict[Path, Path] = {}
    written = resolved.mapping.get(MODEL)
    replaced = replaced_flat_fields(resolved.mapping, model.slots)
    for slot, fills in model.slots.items():
        if part(part(written, slot), "kind") is not None:
            replaced |= dict.fromkeys(fills, slot)  # Also in the other slots that a flat field fills.
    for slot, fills in model.slots.items():
        said = part(written, slot)
        named = part(said, "kind") is not None
        if not named:
            comments[MODEL, slot, "kind"] = "default"
        for flat, field in fills.items():
            if flat in replaced:
                comments[MODEL, flat] = f"replaced by {MODEL}.{replaced[flat]}"
            else:
                comments[MODEL, slot, field] = f"from {MODEL}.{flat}"
            if part(said, field) is None:
                sources[MODEL, slot, field] = (MODEL, flat)
        for name in model.slot_defaults:
            if part(said, name) is None:
                comments[MODEL, slot, name] = f"from {MODEL}.{name}"
    return comments, sources


@dataclass(frozen=True)
class _Writer:
    """Writes mappings line by line."""

    resolved: Resolved
    comments: dict[Path, str]
    sources: dict[Path, Path]

    def mapping(self, values: dict[str, Value], path: Path) -> list[str]:
        """The lines of a mapping's entries, ``kind`` first."""
        lines: list[str] = []
        for key in sorted(values, key=lambda key: key != "kind"):
            place, value = (*path, key), values[key]
            if place in self.comments:
                lines += self._comment(place, value)
            elif isinstance(value, dict) and value:
                below = self.mapping(value, place)
                head = f"{'  ' * len(path)}{flow(key)}:"
                # A key with nothing but comments below it would hold null.
                live = any(not line.lstrip().startswith("#") for line in below)
                lines += [head if live else _commented(head), *below]
            else:
                lines.append(f"{'  ' * len(path)}{flow(key)}: {flow(value)}  # {self._source(place)}")
        return lines

    def _comment(self, path: Path, value: Value) -> list[str]:
        """The line of a value that counts elsewhere; none for a flat field that nobody gave."""
        reason = self.comments[path]
        if path in self.resolved.origins and len(path) == 2:
            value = part(self.resolved.mapping[MODEL], path[-1])
            reason = f"{self._source(path)}, {reason}"
        elif len(path) == 2:
            return []
        return [_commented(f"{'  ' * (len(path) - 1)}{flow(str(path[-1]))}: {flow(value)}  # {reason}")]

    def _source(self, path: Path) -> str:
        """Where the value was written: ``bert_base.yaml:4``, ``--set`` or ``default``."""
        origin = self.resolved.origins.get(path)
        if origin is None and path in self.sources:
            return f"{self._source(self.sources[path])} ({self.sources[path][-1]})"
        if origin is None:
            return "default"
        return "--set" if origin.line is None else f"{PurePath(origin.source).name}:{origin.line}"


def _commented(line: str) -> str:
    text = line.lstrip()
    return f"{line[: len(line) - len(text)]}# {text}"
