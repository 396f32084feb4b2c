"""Names that a node or an input cannot have, because Python or a framework has taken them."""

from __future__ import annotations

from functools import cache
from keyword import iskeyword

from zoo_spec.frameworks import frameworks


def why_no_input(name: str) -> str | None:
    """Why an input, an argument of a model's function, cannot have this name; None if it can."""
    if iskeyword(name):
        return f"{name!r} is a word of the Python language"
    return "'self' is the model itself in Python" if name == "self" else None


def why_no_node(name: str) -> str | None:
    """Why a node, a part of every framework's model, cannot have this name; None if it can."""
    return why_no_input(name) or (f"{name!r} is {_taken()[name]}" if name in _taken() else None)


@cache
def _taken() -> dict[str, str]:
    """What each name is that a framework has taken."""
    said = [each.reserved for each in frameworks().values() if each.reserved is not None]
    return {name: reserved.why for reserved in said for name in reserved.names}
