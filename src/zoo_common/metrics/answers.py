"""The best answers to a question out of all windows of its text, as google-research/bert ranks them.

They are parts of the text as it stands, by the characters of their tokens.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from zoo_common.backend import Array
from zoo_common.data.makers.question_windows import AskedText
from zoo_spec.tasks.answer_rules import AnswerRules

Float64 = NDArray[np.float64]


class Found(NamedTuple):
    """An answer: its text, its characters in the context, and the logits of its first and its last token."""

    text: str
    begin: int
    end: int
    start_logit: float
    end_logit: float

    @property
    def score(self) -> float:
        """The sum of both logits."""
        return self.start_logit + self.end_logit


@dataclass(frozen=True)
class BestAnswers:
    """``answers``, the best first, and what speaks for no answer: the logits of the first token in some window."""

    answers: tuple[Found, ...]
    null: Found

    @property
    def difference(self) -> float:
        """By how much no answer scores above the best one: the official scripts' ``null_odds``."""
        return self.null.score - (self.answers[0].score if self.answers else -np.inf)

    def answer(self, rules: AnswerRules) -> Found:
        """The best one, or no answer (an empty text), as the rules have it."""
        if rules.no_answer_threshold is not None and self.difference > rules.no_answer_threshold:
            return self.null
        return self.answers[0] if self.answers else self.null


class AnswerSearch:
    """Looks through the windows of one question, one after another."""

    def __init__(self, asked: AskedText, rules: AnswerRules) -> None:
        self._asked, self._rules = asked, rules
        self._next = 0
        self._null: Found | None = None
        self._spans: list[tuple[int, int, float, float]] = []

    @property
    def is_done(self) -> bool:
        """Whether all windows have been added."""
        return self._next == len(self._asked.windows)

    def add(self, start: Array, end: Array) -> None:
        """The logits ``[sequence]`` of the next window; what stands behind it is padding."""
        number = self._next
        self._next += 1
        window = self._asked.windows[number]
        null = Found("", 0, 0, float(start[0]), float(end[0]))
        if self._null is None or null.score < self._null.score:
            self._null = null
        part = slice(window.place, window.place + window.last - window.first)
        starts, ends = np.asarray(start[part], np.float64), np.asarray(end[part], np.float64)
        owned = self._asked.owners[window.first : window.last] == number
        for first, last in self._pairs(np.where(owned, starts, -np.inf), ends):
            begin, stop = window.first + int(first), window.first + int(last)
            self._spans.append((begin, stop, float(starts[first]), float(ends[last])))

    def best(self) -> BestAnswers:
        """The ``n_best`` of all windows, each text once."""
        found: dict[str, Found] = {}
        context, asked = self._asked.context, self._asked
        for first, last, start, end in sorted(self._spans, key=lambda span: -(span[2] + span[3])):
            begin, stop = asked.characters_of(first, last)
            text = context[begin:stop]
            if text.strip():
                found.setdefault(text, Found(text, begin, stop, start, end))
            if len(found) == self._rules.n_best:
                break
        assert self._null is not None
        return BestAnswers(tuple(found.values()), self._null)

    def _pairs(self, starts: Float64, ends: Float64) -> NDArray[np.int64]:
        """First and last token, ``[pairs, 2]``, of every span of the best starts and ends that is short enough.

        Where no start has an end behind it, the best span of all.
        """
        most, longest = self._rules.n_best, self._rules.longest_answer
        first, last = (np.argsort(-logits, kind="stable")[:most] for logits in (starts, ends))
        lengths = last[None] - first[:, None] + 1
        fits = (lengths > 0) & (lengths <= longest) & np.isfinite(starts[first])[:, None]
        row, column = np.nonzero(fits)
        if row.size:
            return np.stack([first[row], last[column]], axis=1)
        return _best_span(starts, ends, longest)


def _best_span(starts: Float64, ends: Float64, longest: int) -> NDArray[np.int64]:
    best, found = -np.inf, np.zeros((0, 2), np.int64)
    for more in range(min(longest, len(starts))):
        sums = starts[: len(starts) - more] + ends[more:]
        first = int(sums.argmax())
        if sums[first] > best:
            best, found = float(sums[first]), np.asarray([[first, first + more]])
    return found


def probabilities(best: BestAnswers, rules: AnswerRules) -> tuple[list[Found], Float64]:
    """The answers, with no answer among them where the rules allow it, and the softmax of their scores."""
    found = list(best.answers) or [best.null]
    if rules.no_answer_threshold is not None and best.answers:
        found = sorted([*found, best.null], key=lambda each: -each.score)
    scores = np.asarray([each.score for each in found])
    chances = np.exp(scores - scores.max())
    return found, np.asarray(chances / chances.sum())
