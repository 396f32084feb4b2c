"""Word and character error rate of what a CTC model hears, over a whole evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from zoo_common.backend import Batch
from zoo_common.data.base import Dataset
from zoo_common.data.makers.ctc_examples import CtcExamples
from zoo_common.metrics.base import ratio
from zoo_common.metrics.texts import ExampleRows, open_text_metric
from zoo_spec.tasks.ctc import TranscriptErrors as Declared
from zoo_spec.tasks.metrics import TextMetric


class TranscriptErrors:
    """Errors and lengths, added up batch by batch; decoded greedily."""

    def __init__(self, metric: Declared, rows: ExampleRows[CtcExamples]) -> None:
        self.metric: TextMetric = metric
        self._rows = rows
        self._words, self._characters = [0, 0], [0, 0]

    def add(self, batch: Batch, outputs: Batch) -> None:
        """Count a batch."""
        best = np.argmax(outputs[self.metric.logits], axis=-1)
        for row, (examples, index) in zip(best, self._rows.of(len(best)), strict=False):
            said = examples.said(index)
            heard = examples.letters.heard(row[: examples.frame_count(index)])
            _count(self._words, said.split(), heard.split())
            _count(self._characters, said, heard)

    @property
    def values(self) -> Mapping[str, float]:
        """Errors over what is said."""
        return {
            name: ratio(*total)
            for name, total in zip(self.metric.names, (self._words, self._characters), strict=True)
        }


def _count(total: list[int], said: Sequence[str], heard: Sequence[str]) -> None:
    total[0] += edits(said, heard)
    total[1] += len(said)


def edits(said: Sequence[str], heard: Sequence[str]) -> int:
    """The least number of substitutions, deletions and insertions between the two (Levenshtein, 1966)."""
    # NumPy goes along a row at once: an insertion moves right, at a cost of 1, which a running minimum over
    # cost minus place does.
    places = np.arange(len(heard) + 1)
    row = places.copy()
    given = np.array(list(heard), dtype=object)
    for count, each in enumerate(said, start=1):
        moved = np.empty_like(row)
        moved[0] = count
        np.minimum(row[1:] + 1, row[:-1] + (given != each), out=moved[1:])
        row = np.minimum.accumulate(moved - places) + places
    return int(row[-1])


@open_text_metric.register
def _transcripts(metric: Declared, examples: Dataset) -> TranscriptErrors:
    wrong = (
        f"the metric {metric.name!r} counts errors in transcripts, and these examples have none; set data.kind "
        "to a source of utterances"
    )
    return TranscriptErrors(metric, ExampleRows(examples, CtcExamples, wrong))
