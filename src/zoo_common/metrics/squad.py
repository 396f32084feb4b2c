"""SQuAD's exact match and F1, as ``evaluate-v1.1.py`` and ``evaluate-v2.0.py`` of the benchmark have them.

Between 0 and 1, where these print percent.
"""

from __future__ import annotations

import re
import string
from array import array
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from zoo_common.backend import Batch
from zoo_common.data.base import Dataset
from zoo_common.data.makers.question_examples import QuestionExamples
from zoo_common.metrics.answers import AnswerSearch, BestAnswers
from zoo_common.metrics.texts import ExampleRows, open_text_metric
from zoo_spec.data.records import Question
from zoo_spec.tasks.answer_rules import SquadMetric
from zoo_spec.tasks.metrics import TextMetric

_PUNCTUATION = str.maketrans("", "", string.punctuation)
_ARTICLES = re.compile(r"\b(a|an|the)\b")
_NOT_ONE = -1.0
Score = Callable[[str, str], float]
Numbers = NDArray[np.float64]


def normalized(text: str) -> str:
    """Lower case, without ASCII punctuation, articles and superfluous white space, in this order."""
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def exact_match(said: str, right: str) -> float:
    """1 if both are the same when normalized, else 0."""
    return float(normalized(said) == normalized(right))


def f1(said: str, right: str, *, both_empty: float) -> float:
    """The harmonic mean of precision and recall of words; ``both_empty`` if neither has one."""
    words, wanted = normalized(said).split(), normalized(right).split()
    shared = sum((Counter(words) & Counter(wanted)).values())
    if not words and not wanted:
        return both_empty
    return 2 * shared / (len(words) + len(wanted))


class EveryQuestion:
    """SQuAD 1.1's: each question has an answer, and the best match of these counts."""

    def __init__(self) -> None:
        self._count, self._exact, self._f1 = 0, 0.0, 0.0

    def add(self, right: Sequence[str], said: str | None, difference: float) -> None:
        """``said`` is None if nothing was, which counts as wrong; ``difference`` is of no use here."""
        self._count += 1
        if said is not None:
            self._exact += max((exact_match(said, each) for each in right), default=0.0)
            self._f1 += max((f1(said, each, both_empty=0.0) for each in right), default=0.0)

    @property
    def values(self) -> Mapping[str, float]:
        """``exact_match`` and ``f1``."""
        count = max(self._count, 1)
        return {"exact_match": self._exact / count, "f1": self._f1 / count}


class SomeUnanswerable:
    """SQuAD 2.0's: a question may have no answer, and then to say nothing is right."""

    def __init__(self) -> None:
        self._exact, self._f1, self._odds = array("d"), array("d"), array("d")
        self._has_answer, self._says = array("b"), array("b")

    def add(self, right: Sequence[str], said: str | None, difference: float) -> None:
        """``difference`` is by how much no answer scores above the best; nothing ``said`` (None) does not count."""
        if said is None:
            return
        answers = [each for each in right if normalized(each)] or [""]
        self._exact.append(max(exact_match(said, each) for each in answers))
        self._f1.append(max(f1(said, each, both_empty=1.0) for each in answers))
        self._odds.append(difference)
        self._has_answer.append(bool(right))
        self._says.append(bool(said))

    @property
    def values(self) -> Mapping[str, float]:
        """Of all questions, of those with an answer and of those without, and what the best threshold would give."""
        has = np.asarray(self._has_answer, np.bool_)
        scores = {
            "exact_match": np.asarray(self._exact, np.float64),
            "f1": np.asarray(self._f1, np.float64),
        }
        found = {name: _mean(each) for name, each in scores.items()}
        for part, chosen in (("has_answer", has), ("no_answer", ~has)):
            if chosen.any():
                found |= {f"{part}_{name}": _mean(each[chosen]) for name, each in scores.items()}
        for name, each in scores.items():
            found[f"best_{name}"], found[f"best_{name}_threshold"] = self._best(each, has)
        return found

    def _best(self, scores: Numbers, has: NDArray[np.bool_]) -> tuple[float, float]:
        """The best score that some threshold gives to these answers, and that threshold.

        None at all answers no question, which is right for those without an answer; each step answers one more.
        """
        odds = np.asarray(self._odds, np.float64)
        if not len(odds):
            return 0.0, 0.0
        says = np.asarray(self._says, np.bool_)
        order = np.argsort(odds, kind="stable")
        gained = np.where(has, scores, np.where(says, _NOT_ONE, 0.0))[order]
        totals = (~has).sum() + np.cumsum(gained)
        at = int(totals.argmax())
        if totals[at] <= (~has).sum():
            return float((~has).sum() / len(odds)), 0.0
        return float(totals[at] / len(odds)), float(odds[order[at]])


def _mean(values: Numbers) -> float:
    return float(values.mean()) if len(values) else 0.0


class SquadCounter:
    """Reads the answer to each question out of all its windows, which follow one another, and scores it."""

    def __init__(self, metric: SquadMetric, rows: ExampleRows[QuestionExamples]) -> None:
        self.metric: TextMetric = metric
        self._rules = metric.rules
        self._rows = rows
        self._scores = EveryQuestion() if metric.rules.no_answer_threshold is None else SomeUnanswerable()
        self._search: AnswerSearch | None = None

    def add(self, batch: Batch, outputs: Batch) -> None:
        """Count a batch of windows."""
        start, end = (outputs[name] for name in self.metric.outputs)
        for row, (examples, index) in enumerate(self._rows.of(len(start))):
            asked = examples.asked(index)
            if self._search is None:
                self._search = AnswerSearch(asked.text, self._rules)
            self._search.add(start[row], end[row])
            if self._search.is_done:
                self._score(asked.question, self._search.best())
                self._search = None

    @property
    def values(self) -> Mapping[str, float]:
        """The scores by name."""
        return self._scores.values

    def _score(self, question: Question, best: BestAnswers) -> None:
        right = [answer.text for answer in question.answers]
        self._scores.add(right, best.answer(self._rules).text, best.difference)


@open_text_metric.register
def _squad(metric: SquadMetric, examples: Dataset) -> SquadCounter:
    wrong = (
        f"{type(examples).__name__} does not say which question a window is of; "
        "make the examples of zoo_spec.data.records.Question with zoo_common.data.makers.question_examples"
    )
    return SquadCounter(metric, ExampleRows(examples, QuestionExamples, wrong))
