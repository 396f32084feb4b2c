"""Metrics of texts that a model writes or chooses, by what the records have in their place."""

from __future__ import annotations

from typing import ClassVar

from zoo_spec.tasks.metrics import TextMetric

ROUGE = ("rouge1", "rouge2", "rougeLsum")


class GeneratedTexts(TextMetric):
    """What the model writes token by token, against the records' targets.

    ``bleu`` and ``chrf`` of pairs of texts, 0 to 100, over the whole corpus (sacrebleu's defaults: 13a, mixed case,
    exponential smoothing; Post, 2018); ``rouge1``, ``rouge2`` and ``rougeLsum`` of summaries, the mean of F, 0 to 1.
    """

    kind = "generated_texts"
    asks_model: ClassVar[bool] = True

    @property
    def names(self) -> tuple[str, ...]:
        """Of pairs the first two, of summaries the others."""
        return ("bleu", "chrf", *ROUGE)


class ChosenSentences(TextMetric):
    """ROUGE of the sentences that a model ranks first, against the records' summaries: the mean of F, 0 to 1.

    Three sentences, in the order of their scores, none that shares three words in a row with one before it.
    """

    kind = "chosen_sentences"

    @property
    def names(self) -> tuple[str, ...]:
        """Of words, of pairs of words, and of the longest common subsequence of each sentence with the summary."""
        return ROUGE
