"""PubTator's documents, a title and an abstract with mentions by character offsets, as records of labelled words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from zoo_common.data.base import DataDescription, Split
from zoo_common.data.entities import Entity, as_iob2
from zoo_common.data.file_marks import Source, named_files, sources, vocabulary_sources
from zoo_common.data.files import expanded
from zoo_common.data.records import FileRecords, Look, Place, read_records
from zoo_common.data.sources.line_files import BlockFile, NumberedLine
from zoo_common.data.word_cuts import Span, cut_words
from zoo_common.log import LOG
from zoo_spec.data import PubTatorFiles
from zoo_spec.data.records import LabelledWords
from zoo_spec.errors import InputError
from zoo_spec.reading import UnreadableFileError

_TEXT = re.compile(r"(\d+)\|([ta])\|(.*)", re.DOTALL)
_NUMBER = re.compile("[0-9]{1,9}")
_MENTION = (6, 7)
"""Columns of a mention; a seventh names the parts of a composite one."""
_RELATION = 4


class _Mention(NamedTuple):
    first: int
    last: int
    type: str


class PubTatorFile:
    """The documents of one file; ``overlapping`` and ``unaligned`` are the mentions that are no entities."""

    def __init__(self, data: PubTatorFiles, path: str) -> None:
        """Opens it; errors as of ``BlockFile``."""
        self.path, self._data = path, data
        self._file = BlockFile(path, data.limits)
        self.size = self._file.size
        self._lost: dict[int, tuple[int, int, int]] = {}

    @property
    def mentions(self) -> tuple[int, int, int]:
        """Mentions so far: all, those that overlap another, and those that begin or end within a word."""
        columns = zip(*self._lost.values(), strict=True) if self._lost else ((), (), ())
        found, overlapping, unaligned = (sum(column) for column in columns)
        return found, overlapping, unaligned

    def places(self) -> Iterator[Place]:
        """Where each document begins."""
        count = 0
        for block in self._file.blocks():
            count += 1
            yield block[0].at, block[0].number
        if not count:
            raise UnreadableFileError(
                self.path, "has no document; give a file in PubTator's form (ID|t|TITLE, ID|a|ABSTRACT)"
            )

    def read(self, place: Place) -> LabelledWords:
        """One document, its labels in IOB2; raises InputError, naming the line, for a mention that is not there."""
        at, number = place
        lines = self._file.block(at, number)
        name, text, rest = self._text(lines)
        mentions = [found for line in rest if (found := self._mention(line, name, text)) is not None]
        spans = cut_words(text, self._data.word_cut)
        if not spans:
            raise InputError(f"{self.path}:{number}: the document has no words; leave it out")
        entities, *lost = _placed(mentions, spans)
        self._lost[at] = (len(mentions), lost[0], lost[1])
        words = tuple(text[begin:end] for begin, end in spans)
        return LabelledWords(f"{self.path}:{number}", words, tuple(as_iob2(entities, len(words))))

    def _text(self, lines: list[NumberedLine]) -> tuple[str, str, list[NumberedLine]]:
        """The document's number, its text, in which offsets count (title, a line end, abstract), the other lines."""
        name, parts = "", list[str]()
        for line in lines[:2]:
            found = _TEXT.fullmatch(line.text)
            if found is None or found[2] != "ta"[len(parts)] or (name and found[1] != name):
                break
            parts.append(found[3])
            name = name or found[1]
        if not parts:
            raise InputError(
                f"{self.path}:{lines[0].number}: {lines[0].text[:40]!r} begins no document of PubTator's; one begins "
                "with ID|t|TITLE, goes on with ID|a|ABSTRACT, and ends with a blank line"
            )
        return name, "\n".join(parts), lines[len(parts) :]

    def _mention(self, line: NumberedLine, name: str, text: str) -> _Mention | None:
        """None for a relation, or a mention of a type that is not learned."""
        where, fields = f"{self.path}:{line.number}", line.text.split("\t")
        if len(fields) == _RELATION and not _NUMBER.fullmatch(fields[1]):
            return None
        if len(fields) not in _MENTION or not all(map(_NUMBER.fullmatch, fields[1:3])):
            raise InputError(
                f"{where}: is neither a mention (ID, begin, end, text, type, concept, between tabs) nor a relation "
                "of 4 columns; mend the line"
            )
        if fields[0] != name:
            raise InputError(
                f"{where}: is of the document {fields[0][:40]!r}, and stands with {name[:40]!r}; put a blank line "
                "between documents"
            )
        first, last, kind = int(fields[1]), int(fields[2]), fields[4]
        if not first < last <= len(text) or text[first:last] != fields[3]:
            raise InputError(
                f"{where}: says {fields[3][:40]!r} from {first} to {last}, where the text has "
                f"{text[first:last][:40]!r}; offsets count characters of the title, one line end, and the abstract"
            )
        if not kind:
            raise InputError(f"{where}: the mention's type is empty; fill it in")
        wanted = self._data.types is None or kind in self._data.types
        return _Mention(first, last, kind) if wanted else None


def _placed(mentions: list[_Mention], spans: list[Span]) -> tuple[list[Entity], int, int]:
    """Mentions as entities of words, how many overlap another, and how many begin or end within a word.

    Of those that overlap the first stays, of those that begin together the longest.
    """
    begins = {begin: place for place, (begin, _) in enumerate(spans)}
    ends = {end: place + 1 for place, (_, end) in enumerate(spans)}
    found, overlapping, unaligned, covered = list[Entity](), 0, 0, 0
    for first, last, kind in sorted(mentions, key=lambda each: (each.first, -each.last)):
        if first not in begins or last not in ends:
            unaligned += 1
        elif first < covered:
            overlapping += 1
        else:
            covered = last
            found.append(Entity(kind, begins[first], ends[last]))
    return found, overlapping, unaligned


class _Documents(FileRecords):
    """The documents of all files; how many mentions are no entities is told."""

    def __init__(self, data: PubTatorFiles, files: list[PubTatorFile], look: Look) -> None:
        super().__init__(data, files, look)
        found, overlapping, unaligned = (
            sum(column) for column in zip(*(file.mentions for file in files), strict=True)
        )
        lost = f"{overlapping:,} overlap another and {unaligned:,} begin or end within a word"
        self._note = f"{found:,} mentions, of which {lost}"
        if overlapping + unaligned:
            LOG.warning(f"{super().description().source}: {self._note}; these are no entities")

    def description(self) -> DataDescription:
        """The files, their sizes and their mentions."""
        found = super().description()
        return replace(found, notes=(*found.notes, self._note))


@read_records.register
def _read(data: PubTatorFiles, split: Split, look: Look) -> FileRecords:
    paths = data.evaluation_files if split == "eval" and data.evaluation_files is not None else data.files
    return _Documents(data, [PubTatorFile(data, path) for path in expanded(paths)], look)


@sources.register
def _sources(data: PubTatorFiles) -> list[Source]:
    return [
        *named_files("data.files", data.files),
        *named_files("data.evaluation_files", data.evaluation_files, "eval"),
        *vocabulary_sources(data),
    ]
