"""ROUGE of the sentences that a model ranks first."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from zoo_common.backend import Batch
from zoo_common.data.base import Dataset
from zoo_common.data.makers.extractive import SentenceChoices
from zoo_common.data.makers.sentence_layout import chosen
from zoo_common.metrics.rouge import Rouge
from zoo_common.metrics.texts import ExampleRows, open_text_metric
from zoo_spec.tasks.metrics import TextMetric
from zoo_spec.tasks.text_metrics import ChosenSentences


class ChosenTexts:
    """Adds up ROUGE of the three best sentences, with trigram blocking."""

    def __init__(self, metric: ChosenSentences, rows: ExampleRows[SentenceChoices]) -> None:
        self.metric: TextMetric = metric
        self._rows, self._rouge = rows, Rouge()

    def add(self, batch: Batch, outputs: Batch) -> None:
        """Count a batch."""
        logits = np.asarray(outputs[self.metric.logits])
        for row, (examples, index) in enumerate(self._rows.of(len(logits))):
            sentences = examples.sentences(index)
            count = int(np.asarray(batch["label_weights"][row], np.float64).sum())
            best = chosen(logits[row, :count].tolist(), sentences)
            self._rouge.add(examples.record(index).summary, [sentences[number] for number in best])

    @property
    def values(self) -> Mapping[str, float]:
        """The means of F."""
        return self._rouge.values


@open_text_metric.register
def _chosen(metric: ChosenSentences, examples: Dataset) -> ChosenTexts:
    wrong = f"the metrics {', '.join(metric.names)} are of documents' sentences, which these are not"
    return ChosenTexts(metric, ExampleRows(examples, SentenceChoices, wrong))
