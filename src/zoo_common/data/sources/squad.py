"""SQuAD's files as records: a file is read once, a paragraph at a time, and then only where a question stands."""

from __future__ import annotations

import json
import os
from array import array
from bisect import bisect_right
from collections.abc import Iterator
from typing import NamedTuple

from pydantic import JsonValue

from zoo_common.data.base import Split
from zoo_common.data.file_marks import Source, named_files, sources, vocabulary_sources
from zoo_common.data.files import decoded, expanded
from zoo_common.data.json_keys import RepeatedKeyError, once
from zoo_common.data.records import FileRecords, Look, Place, read_records
from zoo_common.data.sources.json_walk import JsonWalk
from zoo_common.data.sources.questions import DifferentIds, answer_of, kind_of, question_of
from zoo_common.data.unpacked import open_unpacked
from zoo_spec.data import SquadFiles
from zoo_spec.data.limits import TextLimits
from zoo_spec.data.records import Answer, Question
from zoo_spec.errors import InputError
from zoo_spec.reading import UnreadableFileError, printable, reading

_MARK = "\ufeff".encode()
Members = dict[str, JsonValue]


class _Paragraph(NamedTuple):
    """Its article and number within that, for messages, and its bytes' place in the file."""

    article: str
    number: int
    begin: int
    end: int


class SquadFile:
    """The questions of one file, in its order; a place counts them from 0."""

    def __init__(self, path: str, limits: TextLimits) -> None:
        """Raises InputError for a file that is missing, empty, too long or no packed file of its name."""
        self.path, self._limits = path, limits
        self._paragraphs: list[_Paragraph] = []
        self._firsts = array("q")
        self._file = open_unpacked(path, limits)
        with reading(path):
            self.size = os.fstat(self._file.fileno()).st_size
        self._last: tuple[int, Members] | None = None

    def places(self) -> Iterator[Place]:
        """Reads the file once; raises UnreadableFileError for what is not JSON, or not as SQuAD has it."""
        count = 0
        for paragraph, members in _paragraphs(self._whole(), self.path):
            where = _of_paragraph(self.path, paragraph.article, paragraph.number)
            asked = members.get("qas")
            if not isinstance(asked, list):
                raise InputError(f"{where}: qas is {kind_of(asked)}, and a list of questions is expected")
            self._firsts.append(count)
            self._paragraphs.append(paragraph)
            for _ in asked:
                yield count, count + 1
                count += 1
        if not count:
            raise UnreadableFileError(self.path, "has no question; give a file as SQuAD has them")

    def read(self, place: Place) -> Question:
        """One question; raises InputError if it is none, or the file is another by now."""
        if os.fstat(self._file.fileno()).st_size != self.size:
            raise self._changed()
        number = place[0]
        index = bisect_right(self._firsts, number) - 1
        paragraph = self._paragraphs[index]
        members = self._members(index)
        asked, where = members.get("qas"), _of_paragraph(self.path, paragraph.article, paragraph.number)
        place_in = number - self._firsts[index]
        if not isinstance(asked, list) or place_in >= len(asked):
            raise self._changed()
        return _question(asked[place_in], members.get("context"), f"{where}, question", place_in + 1)

    def _members(self, index: int) -> Members:
        """A paragraph as JSON has it; the last one is kept, for its questions are asked in a row."""
        if self._last is not None and self._last[0] == index:
            return self._last[1]
        article, number, begin, end = self._paragraphs[index]
        self._file.seek(begin)
        data = self._file.read(end - begin)
        try:
            found = json.loads(data, object_pairs_hook=once) if len(data) == end - begin else None
        except RepeatedKeyError as error:
            raise InputError(f"{_of_paragraph(self.path, article, number)}: {error}") from None
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise self._changed()
        self._last = index, found
        return found

    def _whole(self) -> bytes:
        most = self._limits.document_bytes
        self._file.seek(0)
        data = self._file.read(most + 1)
        if len(data) > most:
            raise UnreadableFileError(
                self.path,
                f"is longer than {most:,} bytes, and is read as a whole; {self._limits.remedy('document_bytes')}",
            )
        return data

    def _changed(self) -> UnreadableFileError:
        return UnreadableFileError(self.path, "has changed while it was read; begin again")


def _paragraphs(data: bytes, path: str) -> Iterator[tuple[_Paragraph, Members]]:
    """Each paragraph of a document, with the bytes that it takes."""
    text = decoded(data, path, "convert the file to UTF-8")
    walk = JsonWalk(text, path)
    at, byte = 0, len(_MARK) if data.startswith(_MARK) else 0
    found = False
    for name, begin in walk.members(0):
        if name != "data":
            walk.skip(begin)
            continue
        found = True
        for count, article in enumerate(walk.items(begin, "data, a list of articles,"), start=1):
            title = str(count)
            number = 0
            for key, value in walk.members(article):
                if key != "paragraphs":
                    given = walk.skip(value)
                    title = repr(given) if key == "title" and isinstance(given, str) else title
                    continue
                for start in walk.items(value, "paragraphs, a list,"):
                    number += 1
                    members = walk.skip(start)
                    if not isinstance(members, dict):
                        where = _of_paragraph(path, title, number)
                        raise InputError(f"{where}: is {kind_of(members)}, and an object is expected")
                    first = byte + len(text[at:start].encode())
                    byte = first + len(text[start : walk.at].encode())
                    at = walk.at
                    yield _Paragraph(title, number, first, byte), members
    walk.end()
    if not found:
        raise UnreadableFileError(
            path, "has no 'data', the list of its articles; give a file as SQuAD has them"
        )


def _of_paragraph(path: str, article: str, number: int) -> str:
    return f"{printable(path)}: article {article}, paragraph {number}"


def _question(value: JsonValue, context: JsonValue, beside: str, number: int) -> Question:
    if not isinstance(value, dict):
        raise InputError(f"{beside} {number}: is {kind_of(value)}, and an object is expected")
    name = value.get("id")
    where = f"{beside} {name!r}" if isinstance(name, str) else f"{beside} {number}"
    return question_of(where, name, value.get("question"), context, _answers(value, where))


def _answers(value: Members, where: str) -> Iterator[Answer]:
    impossible, answers = value.get("is_impossible"), value.get("answers", [])
    if impossible is not None and not isinstance(impossible, bool):
        raise InputError(f"{where}: is_impossible is {kind_of(impossible)}, and true or false is expected")
    if not isinstance(answers, list):
        raise InputError(f"{where}: answers is {kind_of(answers)}, and a list is expected")
    if impossible is not None and impossible != (not answers):
        raise InputError(
            f"{where}: is_impossible is {kind_of(impossible)}, and it has {len(answers)} answers; correct one of both"
        )
    for answer in answers:
        if not isinstance(answer, dict):
            raise InputError(f"{where}: an answer is {kind_of(answer)}, and an object is expected")
        yield answer_of(answer.get("text"), answer.get("answer_start"), where)


@read_records.register
def _read(data: SquadFiles, split: Split, look: Look) -> FileRecords:
    given = data.evaluation_files if split == "eval" and data.evaluation_files is not None else data.files
    files = [SquadFile(path, data.limits) for path in expanded(given)]
    return FileRecords(data, files, DifferentIds(look).look)


@sources.register
def _sources(data: SquadFiles) -> list[Source]:
    return [
        *named_files("data.files", data.files),
        *named_files("data.evaluation_files", data.evaluation_files, "eval"),
        *vocabulary_sources(data),
    ]
