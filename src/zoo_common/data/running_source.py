"""Running text in pieces of a bounded size, from wherever it comes: what is cut into sentences at a time."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import singledispatch
from typing import NamedTuple, Protocol, cast

from zoo_common.data.base import DataDescription, Split
from zoo_common.data.records import read_records
from zoo_common.data.sentences import Document, sentences_of
from zoo_spec.data import RunningTextData
from zoo_spec.data.records import Record, RunningText
from zoo_spec.errors import InputError

AT_ONCE = 1 << 20
"""Bytes of a piece, about: cut at the end of a document, a paragraph or a sentence."""
BLANK = {"prose": 2, "sentence_lines": 1}
"""Blank lines that end a document, by ``data.layout``."""
_LEADING = re.compile(r"(?:[^\S\n]*\n)*")


class UnclearTextError(InputError):
    """Something is wrong with a piece; whoever reads the text document by document says what, and where."""


class Cut(NamedTuple):
    """The documents of a piece, and the blank lines before the first and after the last."""

    documents: list[Document]
    before: int
    after: int


class Piece(Protocol):
    """Some text, which can be pickled."""

    @property
    def size(self) -> int:
        """Bytes, or characters where these are at hand."""

    @property
    def blank(self) -> float:
        """How many blank lines end a document; infinity where none do."""

    @property
    def begins(self) -> bool:
        """Whether a document begins with it in any case."""

    def cut(self) -> Cut:
        """Into sentences; UnclearTextError for what is no text."""


class TextSource(Protocol):
    """All text of a part of the data, as often as it is asked for."""

    @property
    def size(self) -> int:
        """Of all pieces together, about."""

    def pieces(self) -> Iterator[Piece]:
        """The text, the same pieces each time; errors are InputError, and name the place."""

    def description(self) -> DataDescription:
        """What it is read from."""


@singledispatch
def running_source(data: RunningTextData, split: Split) -> TextSource:
    """The text of a part, read as fast as its form allows; by its records where nothing else is registered."""
    return RecordText(data, split)


@dataclass(frozen=True)
class Documents:
    """Whole documents."""

    texts: tuple[str, ...]
    layout: str
    begins: bool = True
    blank: float = 0

    @property
    def size(self) -> int:
        """Characters."""
        return sum(map(len, self.texts))

    def cut(self) -> Cut:
        """Each by itself."""
        return Cut([sentences_of(text, self.layout) for text in self.texts], 0, 0)


@dataclass(frozen=True)
class Bytes:
    """A part of a file: lines that end in ``\\n``; the first and the last may be parts of lines.

    ``blank`` lines end a document, infinity where none do.
    """

    data: bytes
    layout: str
    blank: float
    begins: bool

    @property
    def size(self) -> int:
        """Bytes."""
        return len(self.data)

    def cut(self) -> Cut:
        """Where enough lines are blank, into documents."""
        try:
            text = self.data.decode("utf-8")
        except UnicodeDecodeError:
            raise UnclearTextError("not UTF-8") from None
        lead = _LEADING.match(text)
        assert lead is not None
        before, text = lead[0].count("\n"), text[lead.end() :]
        stripped = text.rstrip()
        if not stripped:
            return Cut([], before, 0)
        after = max(text.count("\n", len(stripped)) - 1, 0)
        if math.isinf(self.blank):
            parts = [stripped]
        else:
            parts = re.split(rf"\n(?:[^\S\n]*\n){{{int(self.blank)},}}", stripped)
        return Cut([sentences_of(part, self.layout) for part in parts], before, after)


class RecordText:
    """The text of records, one after the other."""

    def __init__(self, data: RunningTextData, split: Split) -> None:
        """All are looked at once; InputError for the first that has no text, or as ``data.on_bad_record`` says."""
        self._layout, self._characters = data.layout, 0
        self._records = read_records(data, split, self._look)

    @property
    def size(self) -> int:
        """Characters."""
        return self._characters

    def pieces(self) -> Iterator[Documents]:
        """Whole documents, as many as make a piece."""
        held: list[str] = []
        size = 0
        for index in range(len(self._records)):
            text = cast(RunningText, self._records[index]).text
            held.append(text)
            size += len(text)
            if size >= AT_ONCE:
                yield Documents(tuple(held), self._layout)
                held, size = [], 0
        if held:
            yield Documents(tuple(held), self._layout)

    def description(self) -> DataDescription:
        """As the records say."""
        return self._records.description()

    def _look(self, record: Record) -> None:
        text = cast(RunningText, record).text
        if not text.strip():
            raise InputError(f"{record.where}: has no text; leave it out")
        self._characters += len(text)
