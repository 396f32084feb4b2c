"""Abstractive summarisation by a causal model: a text, a separator, its summary (Radford et al., 2018, 3.3)."""

from __future__ import annotations

from typing import ClassVar, Literal

from zoo_spec.data.records import Record, SummarizedText, TextPair
from zoo_spec.tasks import predictions
from zoo_spec.tasks.causal_lm import CausalLm
from zoo_spec.tasks.metrics import Metric
from zoo_spec.tasks.predictions import Prediction
from zoo_spec.tasks.text_metrics import GeneratedTexts


class Summarization(CausalLm):
    """``causal_lm`` on texts with their summaries: the loss counts the tokens of the summary alone.

    The graph is the same. It is the data that differ: ``label_weights`` are 0 on the text and its separator,
    1 from the summary's first token to its end.
    """

    kind: Literal["summarization"] = "summarization"  # type: ignore[assignment]
    default_data: ClassVar[str] = "generated_summaries"
    learns_from: ClassVar[tuple[type[Record], ...]] = (SummarizedText, TextPair)
    use: ClassVar[str] = "downstream task"

    def metrics(self) -> tuple[Metric, ...]:
        """``accuracy`` of the next token, and of what it writes by itself ROUGE, or ``bleu`` and ``chrf``."""
        return (*super().metrics(), GeneratedTexts("generated", "logits"))

    def prediction(self) -> Prediction:
        """The summary of a text."""
        return predictions.GeneratedText(("logits",))
