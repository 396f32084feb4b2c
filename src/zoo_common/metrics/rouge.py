"""ROUGE-1, ROUGE-2 and ROUGE-Lsum by ``rouge-score``: the mean of F over texts, with Porter's stems."""

from __future__ import annotations

from collections.abc import Sequence

from zoo_common.metrics.base import ratio
from zoo_spec.importing import require_extra
from zoo_spec.tasks.text_metrics import ROUGE


class Rouge:
    """Adds up over summaries, each its sentences.

    ROUGE-Lsum takes the sentences apart, as ROUGE-1.5.5 does: a summary on one line would have some 9 points less.
    """

    def __init__(self) -> None:
        """Raises EnvironmentFault where the library is not installed."""
        require_extra("rouge_score.rouge_scorer", library="rouge-score", extra="text", what="ROUGE")
        from rouge_score.rouge_scorer import RougeScorer

        self._scorer = RougeScorer(list(ROUGE), use_stemmer=True)
        self._sums = dict.fromkeys(ROUGE, 0.0)
        self._count = 0

    def add(self, reference: Sequence[str], said: Sequence[str]) -> None:
        """Count one summary."""
        found = self._scorer.score("\n".join(reference), "\n".join(said))
        for name, score in found.items():
            self._sums[name] += score.fmeasure
        self._count += 1

    @property
    def values(self) -> dict[str, float]:
        """The means; 0 before anything was counted."""
        return {name: ratio(total, self._count) for name, total in self._sums.items()}
