"""Words a line with columns, and blank lines between sentences, as records of labelled words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

from zoo_common.data.base import DataDescription, Split
from zoo_common.data.entities import OUTSIDE
from zoo_common.data.file_marks import Source, named_files, sources, vocabulary_sources
from zoo_common.data.files import expanded
from zoo_common.data.record_files import IndexedFile
from zoo_common.data.record_index import kept_fact
from zoo_common.data.records import FileRecords, Look, Place, read_records
from zoo_common.data.sources.line_files import Block, BlockFile, NumberedLine
from zoo_common.data.sources.tags import Tagged, check_tag, in_iob2, scheme_of, told
from zoo_common.log import LOG
from zoo_spec.data import ConllFiles
from zoo_spec.data.records import LabelledWords
from zoo_spec.data.tagged_words import TagScheme
from zoo_spec.errors import InputError
from zoo_spec.reading import UnreadableFileError

_DOCUMENT = "-DOCSTART-"
_GAP = re.compile(" +")


class ConllFile(IndexedFile):
    """The sentences of one file, whose tagging scheme has been told, unless it is stated."""

    def __init__(self, data: ConllFiles, path: str) -> None:
        """Opens it and, for its scheme, reads it; InputError for a file that mixes schemes."""
        self.path, self._data = path, data
        self._file = BlockFile(path, data.limits, encoding=data.encoding)
        self.size = self._file.size
        self.scheme = data.scheme or told(kept_fact("scheme", path, lambda: scheme_of(self._tagged(), path)))
        if self.scheme is None:
            LOG.warning(
                f"{path}: every word's tag is {OUTSIDE}: there is no entity in it, and no tagging scheme to tell"
            )

    def places(self) -> Iterator[Place]:
        """Where the first word of each sentence stands."""
        count = 0
        for block in self._file.blocks():
            if words := _words(block):
                count += 1
                yield words[0].at, words[0].number
        if not count:
            raise UnreadableFileError(
                self.path, "has no sentence; give a file with a word and its tag on each line"
            )

    def read(self, place: Place) -> LabelledWords:
        """One sentence, its labels in IOB2; raises InputError, naming the line, for what lacks a word or a tag."""
        at, number = place
        words, tags = self._columns(_words(self._file.block(at, number)), self._data.scheme)
        where = f"{self.path}:{number}"
        labels = in_iob2(tags, self.scheme, self._data.entity_type, where)
        return LabelledWords(where, tuple(words), labels)

    def _columns(self, lines: Block, scheme: TagScheme | None) -> tuple[list[str], list[str]]:
        """The words and the tags of a sentence; InputError, naming the line, for one without either."""
        words, tags, columns = list[str](), list[str](), 0
        for line in lines:
            fields, where = _fields(line.text), f"{self.path}:{line.number}"
            columns = columns or len(fields)
            if len(fields) != columns:
                raise InputError(
                    f"{where}: has {len(fields)} columns, and line {lines[0].number} has {columns}; give each word "
                    "as many, and put a blank line between sentences"
                )
            words.append(self._field(fields, self._data.word_column, where))
            if not words[-1]:
                raise InputError(f"{where}: the word is empty; fill it in")
            tags.append(self._field(fields, self._data.label_column, where))
            check_tag(tags[-1], scheme, where)
        return words, tags

    def _field(self, fields: list[str], column: int, where: str) -> str:
        count = len(fields)
        if not -count <= column < count:
            raise InputError(
                f"{where}: has {count} columns, and no column {column}; put spaces or tabs between them, or set "
                "data.word_column and data.label_column"
            )
        return fields[column]

    def _tagged(self) -> Iterator[Tagged]:
        """The tags of what can be read; what cannot is told when it is read as a record."""
        for block in self._file.blocks():
            lines = _words(block)
            with suppress(InputError):
                _, tags = self._columns(lines, None)
                if tags:
                    yield Tagged(tags, [line.number for line in lines])


class _Sentences(FileRecords):
    """The sentences of all files; which scheme each is in is told."""

    def __init__(self, data: ConllFiles, files: list[ConllFile], look: Look) -> None:
        super().__init__(data, files, look)
        self._schemes = [file.scheme for file in files if file.scheme is not None]

    def description(self) -> DataDescription:
        """The files, their sizes and their schemes."""
        schemes = " and ".join(each.upper() for each in dict.fromkeys(self._schemes))
        found = super().description()
        return replace(found, notes=(*found.notes, f"tags in {schemes}")) if schemes else found


def _fields(line: str) -> list[str]:
    """Between tabs where there is one; else between spaces."""
    return line.split("\t") if "\t" in line else _GAP.split(line.strip(" "))


def _words(block: Block) -> list[NumberedLine]:
    """The lines of a block that are words."""
    return [line for line in block if _fields(line.text)[0] != _DOCUMENT]


@read_records.register
def _read(data: ConllFiles, split: Split, look: Look) -> FileRecords:
    paths = data.evaluation_files if split == "eval" and data.evaluation_files is not None else data.files
    return _Sentences(data, [ConllFile(data, path) for path in expanded(paths)], look)


@sources.register
def _sources(data: ConllFiles) -> list[Source]:
    return [
        *named_files("data.files", data.files),
        *named_files("data.evaluation_files", data.evaluation_files, "eval"),
        *vocabulary_sources(data),
    ]
