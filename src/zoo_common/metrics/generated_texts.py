"""BLEU, chrF and ROUGE of what a model writes by itself, token by token, from an evaluation's sources."""

from __future__ import annotations

from collections.abc import Mapping

from zoo_common.backend import Batch
from zoo_common.data.base import Dataset
from zoo_common.data.makers.pairs import Generates
from zoo_common.data.sentences import split_sentences
from zoo_common.decoding import Step
from zoo_common.metrics.rouge import Rouge
from zoo_common.metrics.texts import ExampleRows, open_text_metric
from zoo_spec.data.records import SummarizedText, TextPair
from zoo_spec.importing import require_extra
from zoo_spec.tasks.metrics import TextMetric
from zoo_spec.tasks.text_metrics import GeneratedTexts


class WrittenTexts:
    """Holds what was written, for BLEU is no sum over texts; of summaries nothing but sums."""

    def __init__(self, metric: GeneratedTexts, rows: ExampleRows[Generates]) -> None:
        self.metric: TextMetric = metric
        self._rows = rows
        self._step: Step | None = None
        self._rouge: Rouge | None = None
        self._said: list[str] = []
        self._right: list[str] = []

    def ask(self, step: Step) -> None:
        """By what the model is run; before the first batch."""
        self._step = step

    def add(self, batch: Batch, outputs: Batch) -> None:
        """Have the model write for a batch."""
        if self._step is None:
            raise TypeError("a model has to be given by ask() before the first batch")
        # All sources have the first one's tokenizer.
        found = self._rows.sources[0].generation.of(self._step, batch)
        for (examples, index), tokens in zip(self._rows.of(len(found)), found, strict=False):
            record, said = examples.record(index), examples.said(tokens)
            if isinstance(record, TextPair):
                self._said.append(said)
                self._right.append(record.target)
            elif isinstance(record, SummarizedText):
                self._rouge = self._rouge or Rouge()
                self._rouge.add(record.summary, split_sentences(said))

    @property
    def values(self) -> Mapping[str, float]:
        """Those of the kind of records that there are."""
        rouge = {} if self._rouge is None else self._rouge.values
        return {**(corpus_scores(self._said, self._right) if self._said else {}), **rouge}


def corpus_scores(said: list[str], right: list[str]) -> dict[str, float]:
    """``bleu`` and ``chrf`` of texts, one reference each, 0 to 100, by sacrebleu.

    Raises EnvironmentFault where it is not installed.
    """
    require_extra("sacrebleu", library="sacrebleu", extra="text", what="BLEU and chrF")
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF

    return {
        "bleu": float(BLEU().corpus_score(said, [right]).score),
        "chrf": float(CHRF().corpus_score(said, [right]).score),
    }


@open_text_metric.register
def _written(metric: GeneratedTexts, examples: Dataset) -> WrittenTexts:
    wrong = (
        f"the metrics {', '.join(metric.names)} are of texts with targets, and the examples do not say how these "
        "are written; let their maker derive from zoo_common.data.makers.pairs.Generates"
    )
    return WrittenTexts(metric, ExampleRows(examples, Generates, wrong))  # type: ignore[type-abstract]
