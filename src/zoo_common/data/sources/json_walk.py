"""A JSON document in steps: where each of its values begins, so that one part after another is read of it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from pydantic import JsonValue

from zoo_spec.reading import UnreadableFileError

_SPACE = re.compile(r"[ \t\n\r]*")
_DECODER = json.JSONDecoder()


class JsonWalk:
    """Steps through a JSON document; of what it steps into, nothing is held.

    Whoever is given where a value begins steps into or over it before asking for the next one.
    """

    def __init__(self, text: str, path: str) -> None:
        self.at = 0
        self._text, self._path = text, path

    def skip(self, begin: int) -> JsonValue:
        """Over a value, which is given."""
        try:
            found: JsonValue
            found, self.at = _DECODER.raw_decode(self._text, begin)
        except json.JSONDecodeError as error:
            raise self._wrong(error.msg, error.pos) from None
        return found

    def members(self, begin: int) -> Iterator[tuple[str, int]]:
        """Into an object: each member's name, and where its value begins."""
        self._take("{", "an object", begin)
        if self._next() == "}":
            self.at += 1
            return
        met: set[str] = set()
        while True:
            name = self.skip(self.at) if self._next() == '"' else None
            if not isinstance(name, str) or self._next() != ":":
                raise self._wrong("a member's name and a colon are expected", self.at)
            if name in met:
                raise self._wrong(f"the key {name!r} is there twice", self.at)
            met.add(name)
            self.at += 1
            self._next()
            yield name, self.at
            if self._ends("}"):
                return

    def items(self, begin: int, what: str) -> Iterator[int]:
        """Into a list: where each item begins."""
        self._take("[", what, begin)
        if self._next() == "]":
            self.at += 1
            return
        while True:
            self._next()
            yield self.at
            if self._ends("]"):
                return

    def end(self) -> None:
        """Raise UnreadableFileError if anything is left."""
        if self._next():
            raise self._wrong("more than one document", self.at)

    def _next(self) -> str:
        """The next character that is no white space, where ``at`` then is; nothing at the end."""
        found = _SPACE.match(self._text, self.at)
        assert found is not None
        self.at = found.end()
        return self._text[self.at : self.at + 1]

    def _take(self, mark: str, what: str, begin: int) -> None:
        self.at = begin
        if self._next() != mark:
            raise self._wrong(f"{what} is expected", self.at)
        self.at += 1

    def _ends(self, mark: str) -> bool:
        found = self._next()
        if found not in (mark, ",") or not found:
            raise self._wrong(f"a comma or {mark} is expected", self.at)
        self.at += 1
        return found == mark

    def _wrong(self, what: str, at: int) -> UnreadableFileError:
        line = self._text.count("\n", 0, at) + 1
        column = at - self._text.rfind("\n", 0, at)
        cut = ": it ends too early" if at >= len(self._text.rstrip()) else ""
        return UnreadableFileError(
            self._path,
            f"is no JSON of this form{cut}: line {line}, column {column:,}: {what}; get the file again",
        )
