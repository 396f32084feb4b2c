"""What is wrong with a spec, in its author's terms: file, line, path, what stands there, what is expected."""

from __future__ import annotations

import difflib
import re
from typing import get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from pydantic_core.core_schema import ErrorType

from zoo_spec.base import Spec
from zoo_spec.errors import Problem, SpecError
from zoo_spec.models.base import Model
from zoo_spec.spec_files.attribute_docs import attribute_docs
from zoo_spec.spec_files.fields import Expected, class_at, part
from zoo_spec.spec_files.merge import Layer
from zoo_spec.values import HINTED, Path, Value, dotted, is_a, nearest, quoted, shorten, steps

_TYPE, _MISSING = "type", "missing"
_PYDANTIC_TYPES = frozenset(get_args(ErrorType))
_EXPECTED = {
    "int_type": "an integer",
    "int_from_float": "an integer",
    "float_type": "a number",
    "string_type": "a string",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "a mapping",
    "mapping_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "none_required": "null",
}
_LIMITS = {
    "greater_than": ("gt", "must be greater than {}"),
    "greater_than_equal": ("ge", "must be at least {}"),
    "less_than": ("lt", "must be less than {}"),
    "less_than_equal": ("le", "must be at most {}"),
    "multiple_of": ("multiple_of", "must be a multiple of {}"),
    "too_short": ("min_length", "must have at least {} entries"),
    "too_long": ("max_length", "must have at most {} entries"),
    "string_too_short": ("min_length", "must have at least {} characters"),
    "string_too_long": ("max_length", "must have at most {} characters"),
}


def spec_error(error: ValidationError, layer: Layer, root: type[Spec]) -> SpecError:
    """Everything that ``root`` found wrong in the layer's mapping; the layer knows where that was written."""
    found: dict[Path, dict[str, Problem]] = {}
    wanted: dict[Path, list[str]] = {}
    for details in error.errors(include_url=False):
        if _follows(details):
            continue
        path = _place(details, layer.mapping, root)
        if details["type"] in _EXPECTED:
            # A union complains once a member, at one place.
            wanted.setdefault(path, []).append(_EXPECTED[details["type"]])
            what = " or ".join(dict.fromkeys(wanted[path]))
            problem = layer.problem(f"{is_a(details['input'])}; {what} is expected", path)
            found.setdefault(path, {})[_TYPE] = problem
        else:
            for problem in _problems(details, path, layer, root, hinted=len(found) < HINTED):
                key = _MISSING if details["type"] == _MISSING else problem.message
                found.setdefault(path, {})[key] = problem
    problems = sorted(_telling(found), key=lambda problem: (problem.file or "", problem.line or 0))
    return SpecError(problems)


def _follows(details: ErrorDetails) -> bool:
    """Whether a list is called too short only because an item of it is wrong, which is told by itself."""
    value, least = details["input"], details.get("ctx", {}).get("min_length")
    return (
        details["type"] == "too_short"
        and isinstance(value, tuple | list)
        and isinstance(least, int)
        and len(value) >= least
    )


def _telling(found: dict[Path, dict[str, Problem]]) -> list[Problem]:
    """The problems without those that only follow from others."""
    for problems in found.values():
        if len(problems) > 1:
            problems.pop(_TYPE, None)  # One member of the union takes its type, and tells what is wrong.
    for part_of, decided_by in (("data", "task"), ("task", "model")):
        if (decided_by,) in found:  # With that put right, there is a default.
            found.get((part_of,), {}).pop(_MISSING, None)
    return [problem for problems in found.values() for problem in problems.values()]


def locate(error: SpecError, layer: Layer) -> SpecError:
    """The same problems, with file and line where only a path was known."""
    return SpecError(
        [
            problem if problem.file else layer.problem(problem.message, steps(problem.path))
            for problem in error.problems
        ]
    )


def _place(details: ErrorDetails, mapping: dict[str, Value], root: type[Spec]) -> Path:
    """The error's place in the file, without the steps by which pydantic names a member of a union."""
    expected = Expected((root,))
    here: Value = mapping
    path: Path = ()
    for step in details["loc"]:
        cls = expected.spec_class(here)
        written = isinstance(here, dict) and step in here
        item = isinstance(here, tuple) and isinstance(step, int) and step < len(here)
        if written or item or (cls is not None and step in cls.model_fields):
            path = (*path, step)
            expected, here = expected.below(here, step), part(here, step)
    return _flat(path, mapping, root)


def _flat(path: Path, mapping: dict[str, Value], root: type[Spec]) -> Path:
    """The flat field's path for a slot's field that was not written but filled from it."""
    model, cls = mapping.get("model"), class_at(root, mapping, ("model",))
    if len(path) < 3 or path[0] != "model" or cls is None or not issubclass(cls, Model):
        return path
    _, slot, field, *rest = path
    written = part(part(model, slot), field)
    names = {**dict(zip(cls.slot_defaults, cls.slot_defaults, strict=True)), **_inverse(cls, slot)}
    flat = names.get(str(field)) if slot in cls.slots and written is None else None
    return path if flat is None or part(model, flat) is None else ("model", flat, *rest)


def _inverse(cls: type[Model], slot: str | int) -> dict[str, str]:
    return {field: flat for flat, field in cls.slots.get(str(slot), {}).items()}


def _problems(
    details: ErrorDetails, path: Path, layer: Layer, root: type[Spec], *, hinted: bool
) -> list[Problem]:
    """One of pydantic's complaints as ours; a validator of our own may bring several.

    ``hinted``: what was meant instead is looked for.
    """
    kind, value, context = details["type"], details["input"], details.get("ctx", {})
    raised = context.get("error")
    if isinstance(raised, SpecError):
        return [layer.problem(each.message, (*path, *steps(each.path))) for each in raised.problems]
    if isinstance(raised, Exception):
        return [layer.problem(str(raised), path)]
    if kind == "extra_forbidden":
        return [layer.problem(_unknown(path, layer, root) if hinted else "unknown key", path)]
    if kind == "missing":
        return [layer.problem(f"missing, and it has no default{_described(path, layer, root)}", path)]
    if kind == "unknown_kind":
        message, origin = details["msg"], layer.origin((*path, "kind"))
        return [Problem(message, dotted(path), origin.source, origin.line) if origin else Problem(message)]
    if kind == "mapping_expected":
        return [layer.problem(f"{is_a(value)}; {details['msg']}", path)]
    if kind not in _PYDANTIC_TYPES:
        return [layer.problem(details["msg"], path)]
    return [layer.problem(_constraint(kind, value, context, details["msg"]), path)]


def _constraint(kind: str, value: object, context: dict[str, object], message: str) -> str:
    if kind in _LIMITS:
        name, rule = _LIMITS[kind]
        return f"{quoted(value)} is out of range; it {rule.format(context[name])}"
    if kind == "finite_number":
        return f"{quoted(value)} is not a finite number"
    if kind == "literal_error":
        choices = re.findall(r"'([^']*)'", str(context["expected"]))
        return f"{quoted(value)} is not one of the choices{nearest(str(value), choices)}"
    return f"{quoted(value)} does not fit: {message[:1].lower()}{message[1:]}"


def _unknown(path: Path, layer: Layer, root: type[Spec]) -> str:
    """What to say of a key that its mapping's class does not have."""
    name = str(path[-1])
    if "." in name:
        nested = ": {".join(shorten(name).split("."))
        return f"unknown key; write it nested, {nested}: ...{'}' * shorten(name).count('.')}"
    cls = class_at(root, layer.mapping, path[:-1])
    if cls is None:
        return "unknown key"
    known = list(cls.model_fields)
    if not difflib.get_close_matches(name, known, n=1):
        for field in known:
            below = class_at(root, layer.mapping, (*path[:-1], field))
            if below is not None and name in below.model_fields:
                return f"unknown key here; it belongs under '{field}'"
    return f"unknown key{nearest(name, known)}"


def _described(path: Path, layer: Layer, root: type[Spec]) -> str:
    cls = class_at(root, layer.mapping, path[:-1])
    said = attribute_docs(cls).get(str(path[-1])) if cls is not None else None
    return f": {said}" if said else ""
