"""Plain values as a spec file holds them, where each one stands, and how messages speak of them."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Sequence
from typing import TypeAlias

Value: TypeAlias = "str | int | float | bool | tuple[Value, ...] | dict[str, Value] | None"
"""What YAML can say: scalars, lists (as tuples: specs are frozen) and mappings with text keys."""

Path: TypeAlias = tuple[str | int, ...]
"""The keys, and the positions in lists, that lead from the top of a spec to a value."""

MAX_NAME = 100
"""Letters of a name: of an experiment, which a folder is called by, and of whatever a user's graph calls its own."""
HINTED = 20
"""So many problems of a kind get a suggestion, which is looked for among all names; the others are counted."""
_SHOWN, _LISTED, _COMPARED = 60, 60, 2_000


def dotted(path: Path) -> str:
    """The path as people write it: ``model.nodes.join.inputs[1]``."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{shorten(step)}"
    return text.removeprefix(".")


def steps(text: str) -> Path:
    """The inverse of `dotted`, for names without dots and brackets."""
    path: list[str | int] = []
    for part in text.split(".") if text else ():
        name, *positions = part.replace("]", "").split("[")
        path += [name] if name else []
        path += [int(position) for position in positions]
    return tuple(path)


def shorten(text: str) -> str:
    """The text, cut where a message would drown in it, and with nothing that steers a terminal."""
    if not text.isprintable():
        text = json.dumps(text[: 2 * _SHOWN])[1:-1]
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def quoted(value: object) -> str:
    """The value as a spec file would write it, cut to a message's length."""
    return shorten(_written(value))


def type_name(value: object) -> str:
    """What people call the value's type, with its article."""
    if value is None:
        return "nothing (null)"
    if isinstance(value, bool):
        return "a truth value"
    if isinstance(value, int):
        return "an integer"
    if isinstance(value, float):
        return "a float"
    if isinstance(value, str):
        return "a string"
    if isinstance(value, tuple | list):
        return "a list"
    return "a mapping" if isinstance(value, dict) else f"a {type(value).__name__}"


def is_a(value: object) -> str:
    """The first half of a complaint: ``"12" is a string``."""
    return "null is given" if value is None else f"{quoted(value)} is {type_name(value)}"


def nearest(name: str, known: Iterable[str]) -> str:
    """A suggestion for a misspelt name, in brackets; else all the names that there are."""
    names = sorted(known)
    near = difflib.get_close_matches(name[:MAX_NAME], names[:_COMPARED], n=1)
    return f" (did you mean '{shorten(near[0])}'?)" if near else f" (there are: {shortened(names, ', ')})"


def shortened(names: Sequence[str], between: str) -> str:
    """The names, or the first and last few of very many, and how many are left out."""
    if len(names) <= _LISTED:
        return between.join(map(shorten, names))
    half = _LISTED // 2
    left_out = f"... {len(names) - 2 * half:,} more ..."
    return between.join([*map(shorten, names[:half]), left_out, *map(shorten, names[-half:])])


def _written(value: object) -> str:
    """YAML flow text; stops early in long lists and mappings, whose end `quoted` would cut anyway."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, tuple | list):
        return "[" + ", ".join(_written(item) for item in value[:_SHOWN]) + "]"
    if isinstance(value, dict):
        pairs = list(value.items())[:_SHOWN]
        return "{" + ", ".join(f"{key}: {_written(item)}" for key, item in pairs) + "}"
    return str(value)
