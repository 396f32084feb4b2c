"""What a field of a spec takes and what it is by default, in words."""

from __future__ import annotations

import json
import re
from types import NoneType, UnionType
from typing import Annotated, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic.fields import FieldInfo

from zoo_spec.base import Spec
from zoo_spec.registry import Registered, own_kind

_SIGNS: dict[type, tuple[str, str]] = {Gt: (">", "gt"), Ge: ("≥", "ge"), Lt: ("<", "lt"), Le: ("≤", "le")}
_NAMES = {int: "integer", float: "number", bool: "true or false", str: "text", NoneType: "null"}


def type_text(field: FieldInfo) -> str:
    """``integer > 0``, ``one of `relu`, `silu` ``, ``any norm`` (a block of that role), ``list of …``."""
    return _text(field.annotation) + _bounds(field.metadata)


def default_text(field: FieldInfo) -> str:
    """The default as YAML would have it; empty where there is none."""
    if field.is_required():
        return ""
    return f"`{_value(field.get_default(call_default_factory=True))}`"


def _text(annotation: object) -> str:
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _text(parts[0]) + _bounds(parts[1:])
    if origin is Literal:
        return "one of " + ", ".join(f"`{choice}`" for choice in parts)
    if origin in (Union, UnionType):
        inner = [part for part in parts if part is not NoneType]
        text = " or ".join(map(_text, inner))
        return f"{text}, or null" if len(inner) < len(parts) else text
    if origin is tuple:
        several = len(parts) == 2 and parts[1] is Ellipsis
        return f"list of {_text(parts[0])}" if several else f"[{', '.join(map(_text, parts))}]"
    if isinstance(annotation, type):
        if annotation in _NAMES:
            return _NAMES[annotation]
        if issubclass(annotation, Registered):
            kind = own_kind(annotation)
            return f"any {annotation.role}" if kind is None else f"`{kind}`"
        return f"mapping of {annotation.__name__}"
    return "mapping"


def _bounds(metadata: object) -> str:
    found = []
    for each in metadata if isinstance(metadata, list | tuple) else ():
        for limit in getattr(each, "metadata", [each]):
            if type(limit) in _SIGNS:
                sign, name = _SIGNS[type(limit)]
                found.append(f"{sign} {getattr(limit, name)}")
    return f" {', '.join(found)}" if found else ""


def _value(value: object) -> str:
    if isinstance(value, Spec):
        given = value.model_dump(mode="json", exclude_defaults=True, serialize_as_any=True)
        shown = {**({"kind": value.kind} if isinstance(value, Registered) else {}), **given}
        return "{" + ", ".join(f"{name}: {_value(each)}" for name, each in shown.items()) + "}"
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return re.sub(r"e([+-])0", r"e\1", repr(value))
    return json.dumps(value, default=str)
