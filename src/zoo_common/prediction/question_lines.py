"""Questions as a user gives them: question, ``[SEP]``, text; an object of JSON a line; a document as SQuAD's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from pydantic import JsonValue

from zoo_common.data.json_keys import RepeatedKeyError, once
from zoo_common.data.sources.questions import question_of
from zoo_common.data.sources.squad import SquadFile
from zoo_common.prediction.base import Answer
from zoo_common.prediction.layout import SEPARATOR, sentences_of
from zoo_common.prediction.lines import Line
from zoo_spec.data.limits import TextLimits
from zoo_spec.data.records import Question
from zoo_spec.errors import InputError
from zoo_spec.reading import reading

_PACKED = (".gz", ".zst", ".xz", ".bz2")


@dataclass(frozen=True)
class QuestionLine(Line):
    """A question that was read out of a document."""

    question: Question | None = None


class Asking(NamedTuple):
    """A question and its text, which begins at the character ``begin`` of the line; ``where`` says which line."""

    question: str
    context: str
    begin: int
    where: Answer


def is_document(path: Path) -> bool:
    """Whether a file's name says that it is one document: ``.json``, packed or not; a ``.jsonl`` has lines."""
    suffixes = [suffix.lower() for suffix in path.suffixes if suffix.lower() not in _PACKED]
    return suffixes[-1:] == [".json"]


def document_lines(path: Path, limits: TextLimits) -> Iterator[Line]:
    """The questions of a document as SQuAD has them; one that is damaged has that as its problem."""
    file = SquadFile(str(path), limits)
    with reading(path):
        for place in list(file.places()):
            try:
                question = file.read(place)
                yield QuestionLine(place[1], question.question, question.where, question=question)
            except InputError as error:
                yield Line(place[1], "", str(path), str(error))


def asking(line: Line) -> Asking:
    """What a line asks; raises InputError for one without a question, or without a text."""
    if isinstance(line, QuestionLine) and line.question is not None:
        return _of_record(line.question, line.number)
    members = _object(line.text)
    if members is not None:
        name = members.get("id", str(line.number))
        return _of_record(
            question_of(line.source, name, members.get("question"), members.get("context"), ()), line.number
        )
    question, *rest = sentences_of(line.text, 2)
    context = rest[0] if rest else ""
    if not context.strip():
        raise InputError(f"{line.source}: has no text behind the question; give question, {SEPARATOR}, text")
    begin = len(question) + len(SEPARATOR) + len(context) - len(context.lstrip())
    where: Answer = {"line": line.number, "text": line.text}
    return Asking(question.strip(), context.strip(), begin, where)


def _of_record(question: Question, number: int) -> Asking:
    where: Answer = {"line": number, "id": question.id, "question": question.question}
    return Asking(question.question, question.context, 0, where)


def _object(text: str) -> dict[str, JsonValue] | None:
    """The object of JSON with a question that a line is; None for any other line."""
    if not text.lstrip().startswith("{"):
        return None
    try:
        found = json.loads(text, object_pairs_hook=once)
    except RepeatedKeyError as error:
        raise InputError(f"the line {error}") from None
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and "question" in found else None
