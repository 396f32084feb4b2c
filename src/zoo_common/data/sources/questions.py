"""What a question is, whatever it is written in: a text that it is asked of, and answers that stand in that text."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import JsonValue

from zoo_common.data.records import Look
from zoo_spec.data.records import Answer, Question, Record
from zoo_spec.errors import InputError

_SHOWN = 60


class DifferentIds:
    """Shows each question to ``look``, and raises InputError for one whose id another has."""

    def __init__(self, look: Look) -> None:
        self.look_beside = look
        """Goes on with the record; what it learns may be kept, for what is looked at here holds from then on."""
        self._seen: set[str] = set()

    def look(self, record: Record) -> None:
        """The look at a record."""
        if isinstance(record, Question):
            if record.id in self._seen:
                raise InputError(
                    f"{record.where}: the id {record.id!r} stands there a second time; each question has its own"
                )
            self._seen.add(record.id)
        self.look_beside(record)


def question_of(
    where: str, name: JsonValue, question: JsonValue, context: JsonValue, answers: Iterable[Answer]
) -> Question:
    """A question, of which nothing is stripped; raises InputError, naming it, for what cannot be one."""
    if isinstance(name, bool) or not isinstance(name, str | int) or name == "":
        raise InputError(f"{where}: the id is {kind_of(name)}, and a text is expected")
    asked, text = written(question, "the question", where), written(context, "the context", where)
    found = tuple(answers)
    for answer in found:
        _require_there(answer, text, where)
    return Question(where, str(name), asked, text, found)


def answer_of(text: JsonValue, start: JsonValue, where: str) -> Answer:
    """An answer and the character that it begins at; raises InputError for what is none."""
    if isinstance(start, bool) or not isinstance(start, int) or start < 0:
        raise InputError(f"{where}: answer_start is {kind_of(start)}, and a number from 0 on is expected")
    return Answer(written(text, "an answer", where), start)


def written(value: JsonValue, what: str, where: str) -> str:
    """Text with something in it; raises InputError for whatever else."""
    if not isinstance(value, str):
        raise InputError(f"{where}: {what} is {kind_of(value)}, and a text is expected")
    if not value.strip():
        raise InputError(f"{where}: {what} is empty; fill it in, or leave the question out")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        half = f"\\u{ord(value[error.start]):04x}"
        raise InputError(f"{where}: {what} has half a character, {half}; mend the escape") from None
    return value


def kind_of(value: JsonValue) -> str:
    """What a value of JSON is called."""
    if value is None:
        return "missing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)[:_SHOWN]
    if isinstance(value, str):
        return repr(value[:_SHOWN])
    return "a list" if isinstance(value, list) else "an object"


def _require_there(answer: Answer, context: str, where: str) -> None:
    """An answer has to stand where it says: a context that was stripped or normalised has moved all of them."""
    there = context[answer.start : answer.start + len(answer.text)]
    if there == answer.text:
        return
    at = context.find(answer.text)
    elsewhere = f"it stands at {at}" if at >= 0 else "it stands nowhere in it"
    raise InputError(
        f"{where}: the answer {answer.text[:_SHOWN]!r} is not at answer_start {answer.start:,} of its context, which "
        f"has {there[:_SHOWN]!r} there ({elsewhere}); correct it, and keep the context as it was published"
    )
