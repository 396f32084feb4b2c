"""Objects of JSON whose keys stand there once; Python's reader would take the last of several without a word."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import JsonValue


class RepeatedKeyError(Exception):
    """A key stands twice in an object."""

    def __init__(self, key: str) -> None:
        super().__init__(f"has the key {key!r} twice; keep one")


def once(pairs: Sequence[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
    """The object of these members, for ``object_pairs_hook``; raises RepeatedKeyError."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise RepeatedKeyError(next(name for name in names if names.count(name) > 1))
    return found
