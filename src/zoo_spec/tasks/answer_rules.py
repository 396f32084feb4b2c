"""What counts as an answer that is found in a text, and how the answers to many questions are measured."""

from __future__ import annotations

from dataclasses import dataclass

from zoo_spec.tasks.metrics import TextMetric

_SCORES = ("exact_match", "f1")


@dataclass(frozen=True)
class AnswerRules:
    """What counts as an answer: as ``QuestionAnswering`` has it."""

    n_best: int = 20
    longest_answer: int = 30
    no_answer_threshold: float | None = None


@dataclass(frozen=True)
class SquadMetric(TextMetric):
    """SQuAD's exact match and F1 of the answers' texts against those people gave, the best of several.

    With ``no_answer_threshold`` as of SQuAD 2.0: also apart for questions that have an answer and for those without,
    and the best that a threshold would give, and which.
    """

    kind = "squad"
    end_logits: str = ""
    rules: AnswerRules = AnswerRules()

    @property
    def outputs(self) -> tuple[str, ...]:
        """Both logits."""
        return (self.logits, self.end_logits)

    @property
    def names(self) -> tuple[str, ...]:
        """Two, or, where a question may have no answer, ten."""
        if self.rules.no_answer_threshold is None:
            return _SCORES
        parts = [f"{part}_{name}" for part in ("has_answer", "no_answer") for name in _SCORES]
        best = [f"best_{name}{which}" for name in _SCORES for which in ("", "_threshold")]
        return (*_SCORES, *parts, *best)
