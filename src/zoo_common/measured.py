"""Choices that are measured, once on a machine, and kept in the user's cache for its processor and versions.

``ZOO_CHOICES=default`` fixes all of them at what is taken where nothing was measured, and so does ``defaults()``.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout
from pydantic import TypeAdapter, ValidationError

from zoo_common.files import write_atomically
from zoo_common.processors import processor
from zoo_spec.errors import InputError, ZooError

SWITCH = "ZOO_CHOICES"
CLEARLY = 0.9
"""How much of the default way's time another takes at most to be chosen: what is nearer may be
noise."""
ROUNDS = 3
"""Rounds in turn without which nothing is known, as where others keep the machine busy."""
clock = time.perf_counter if sys.platform == "win32" else time.process_time
"""Seconds of the processor, which others do not lengthen; Windows counts them too coarsely."""
_PATIENCE = 5.0
"""Seconds to wait for another process that measures."""
_fixed = [False]

Measure = Callable[[], Mapping[str, Sequence[float]]]
"""Seconds of each round by way, in turn; it takes a part of a second."""


@dataclass(frozen=True)
class Answer:
    """The way that was taken, of those with their seconds."""

    way: str
    seconds: Mapping[str, float]

    @classmethod
    def of(cls, rounds: Mapping[str, Sequence[float]], default: str) -> Answer:
        """The fastest; the default unless that was clearly slower."""
        if not rounds[default]:
            return cls(default, {})
        seconds = {way: min(each) for way, each in rounds.items()}
        best = min(seconds, key=seconds.__getitem__)
        ratios = [one / other for one, other in zip(rounds[best], rounds[default], strict=True)]
        is_clear = len(ratios) >= ROUNDS and statistics.median(ratios) <= CLEARLY
        return cls(best if is_clear else default, seconds)


_ANSWER = TypeAdapter(Answer)


class Choices:
    """What is chosen for a framework of these versions, on this machine's processor, with so many threads."""

    def __init__(self, framework: str, versions: Mapping[str, str], threads: int) -> None:
        told = json.dumps([processor(), sorted(versions.items()), threads])
        self._name = f"{framework}-{hashlib.sha256(told.encode()).hexdigest()[:16]}.json"
        self._about = {
            "framework": framework,
            "versions": dict(versions),
            "processor": processor()[0],
            "threads": threads,
        }
        self._known: dict[str, Answer] = {}

    def take(self, question: str, default: str, measure: Measure) -> str:
        """The way for a question, as it was measured before, or as it is now.

        The default, and nothing is measured, where the switch says so, where no folder takes the answer, without
        which processes of one run might differ, or where another process does not end measuring.
        """
        if not is_measuring():
            return default
        if question not in self._known:
            path = _folder(self._name)
            if path is None:
                return default
            try:
                self._known[question] = self._kept(path, question, default, measure)
            except (OSError, Timeout, ZooError):
                self._known[question] = Answer(default, {})
        return self._known[question].way

    def _kept(self, path: Path, question: str, default: str, measure: Measure) -> Answer:
        found = read(path).get(question)
        if found is not None:
            return found
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock"), timeout=_PATIENCE):
            all_of_it = read(path)
            if question not in all_of_it:
                all_of_it[question] = Answer.of(measure(), default)
                write_atomically(path, self._text(all_of_it))
        return all_of_it[question]

    def _text(self, choices: Mapping[str, Answer]) -> str:
        told = {
            question: {"way": choice.way, "seconds": dict(choice.seconds)}
            for question, choice in sorted(choices.items())
        }
        return json.dumps({**self._about, "choices": told}, indent=1) + "\n"


def is_measuring() -> bool:
    """Whether choices are measured. InputError for a switch that says neither."""
    said = os.environ.get(SWITCH, "measured")
    if said not in ("measured", "default"):
        raise InputError(
            f"{SWITCH} is {said!r}, which is neither 'measured' nor 'default'; set it to one of them"
        )
    return said == "measured" and not _fixed[0]


@contextlib.contextmanager
def defaults() -> Iterator[None]:
    """What is made meanwhile takes the ways that are taken where nothing was measured."""
    before, _fixed[0] = _fixed[0], True
    try:
        yield
    finally:
        _fixed[0] = before


def kept(framework: str) -> dict[str, dict[str, Answer]]:
    """What was chosen on this processor so far, by versions and threads in words, and question."""
    folder = _folder("")
    found: dict[str, dict[str, Answer]] = {}
    for path in sorted(folder.glob(f"{framework}-*.json")) if folder and folder.is_dir() else []:
        about = _document(path)
        versions, threads = about.get("versions"), about.get("threads")
        if about.get("processor") == processor()[0] and isinstance(versions, dict):
            words = ", ".join(f"{name} {version}" for name, version in versions.items())
            found[f"{words}, {threads} thread{'s' * (threads != 1)}"] = read(path)
    return found


def read(path: Path) -> dict[str, Answer]:
    """The choices of a file by question; none of one that is not there, or that is broken."""
    choices = _document(path).get("choices")
    if not isinstance(choices, dict):
        return {}
    found: dict[str, Answer] = {}
    for question, each in choices.items():
        with contextlib.suppress(ValidationError):
            found[question] = _ANSWER.validate_python(each)
    return found


def _document(path: Path) -> dict[str, object]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _folder(name: str) -> Path | None:
    """The user's cache of choices; None where there is no such place."""
    try:
        if os.environ.get("XDG_CACHE_HOME"):
            cache = Path(os.environ["XDG_CACHE_HOME"])
        elif sys.platform == "win32":
            cache = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
        else:
            cache = Path.home() / ("Library/Caches" if sys.platform == "darwin" else ".cache")
    except RuntimeError:
        return None
    return cache / "dualzoo" / "choices" / name
