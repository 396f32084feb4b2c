"""Answers in the files that SQuAD's official scripts read, and google-research/bert writes."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TextIO

from pydantic import JsonValue

from zoo_common.files import explained
from zoo_common.prediction.base import Answer
from zoo_spec.errors import InputError

PREDICTIONS, N_BEST, NULL_ODDS = "predictions.json", "nbest_predictions.json", "null_odds.json"


def written(answers: Iterable[Answer], directory: Path) -> Iterator[Answer]:
    """The answers, which are also written to a directory: an answer for each id, the best ones, and null's odds.

    Nothing of them is held. The files are there when the last answer is; a question that could not be answered is
    in none of them. Raises InputError for an answer to a question without an id, and for an id that comes twice.
    """
    with explained("write", directory):
        directory.mkdir(parents=True, exist_ok=True)
    seen: set[str] = set()
    with ExitStack() as stack:
        files = [_File(stack, directory / name) for name in (PREDICTIONS, N_BEST, NULL_ODDS)]
        for answer in answers:
            if "error" not in answer:
                name = answer.get("id")
                if not isinstance(name, str):
                    raise InputError(
                        f"line {answer.get('line')} has no id, by which SQuAD's scripts know a question; give a file "
                        "of theirs, or lines of JSON with an id, a question and a context"
                    )
                if name in seen:
                    raise InputError(f"line {answer.get('line')}: the id {name!r} comes a second time")
                seen.add(name)
                for file, value in zip(files, _of(answer), strict=True):
                    file.add(name, value)
            yield answer
        for file in files:
            file.close()


class _File:
    """An object of JSON, a member a line, which takes its name when it is whole; without members it is not there."""

    def __init__(self, stack: ExitStack, path: Path) -> None:
        self._path, self._part = path, path.with_name(f".{path.name}.part")
        with explained("write", path):
            self._file: TextIO = stack.enter_context(self._part.open("w", encoding="utf-8"))
        stack.callback(self._part.unlink, missing_ok=True)
        self._count = 0

    def add(self, name: str, value: JsonValue) -> None:
        """A member; none where there is no value."""
        if value is None:
            return
        with explained("write", self._path):
            mark = ",\n" if self._count else "{\n"
            self._file.write(f"{mark} {json.dumps(name)}: {json.dumps(value, ensure_ascii=False)}")
        self._count += 1

    def close(self) -> None:
        """The file is whole."""
        if not self._count:
            return
        with explained("write", self._path):
            self._file.write("\n}\n")
            self._file.close()
            os.replace(self._part, self._path)


def _of(answer: Answer) -> tuple[JsonValue, JsonValue, JsonValue]:
    best = answer.get("answers")
    told: list[JsonValue] = [
        {
            "text": each["answer"],
            "probability": each["probability"],
            "start_logit": each["start_logit"],
            "end_logit": each["end_logit"],
        }
        for each in (best if isinstance(best, list) else [])
        if isinstance(each, dict)
    ]
    return answer["answer"], told, answer.get("no_answer_score")
