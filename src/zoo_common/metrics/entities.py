"""Precision, recall and F1 of entities, by conlleval's definition: micro averages over exact ones, counted on words.

An entity is right where its type and both its ends are. What a model says may be no sequence that the scheme allows;
it is read as conlleval reads it (``zoo_common.data.entities``). The words of a sentence that is several examples are
put together again before they are read. Labels that stand for themselves, such as parts of speech, are counted word
by word, as conlleval's raw form does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from zoo_common.backend import Batch
from zoo_common.data.base import Dataset
from zoo_common.data.entities import Entity, each_labelled, entities, is_of_entities
from zoo_common.data.makers.word_examples import WordExamples
from zoo_common.metrics.base import ratio
from zoo_common.metrics.classes import ClassScores
from zoo_common.metrics.texts import ExampleRows, TextCounter, open_text_metric
from zoo_spec.tasks.metrics import EntityScores as EntityScoresSpec


class EntityScores(TextCounter):
    """Counts of each type of entities; of words only those of the last sentence are held."""

    def __init__(self, metric: EntityScoresSpec, rows: ExampleRows[WordExamples]) -> None:
        self.metric = metric
        self._rows = rows
        self._names = rows.sources[0].labels.names or ()  # Those of all sources.
        self._read = entities if is_of_entities(self._names) else each_labelled
        self._source: WordExamples | None = None
        self._record, self._wanted, self._said = -1, list[str](), list[str]()
        self._counts = _Counts(self._read)

    def add(self, batch: Batch, outputs: Batch) -> None:
        """Count a batch."""
        logits = outputs[self.metric.logits]
        for row, (examples, index) in enumerate(self._rows.of(len(logits))):
            window = examples.window(index)
            if examples is not self._source or window.record != self._record:
                self._counts.add(self._wanted, self._said)
                self._source = examples
                self._record, self._wanted, self._said = window.record, [], []
            self._wanted += window.labels
            self._said += [self._names[each] for each in np.argmax(logits[row][window.firsts], axis=-1)]

    @property
    def values(self) -> Mapping[str, float]:
        """Precision, recall and F1 over all types."""
        found = self._all()
        both, said, wanted = (sum(each.values()) for each in (found.both, found.said, found.wanted))
        scores = ratio(both, said), ratio(both, wanted), ratio(2 * both, said + wanted)
        return dict(zip(self.metric.names, scores, strict=True))

    @property
    def by_name(self) -> Mapping[str, ClassScores]:
        """The scores of each type that is labelled or said anywhere, sorted; of tags without one it is ``entity``."""
        found = self._all()
        return {
            kind or "entity": ClassScores(
                ratio(found.both[kind], found.said[kind]),
                ratio(found.both[kind], found.wanted[kind]),
                ratio(2 * found.both[kind], found.said[kind] + found.wanted[kind]),
                found.wanted[kind],
            )
            for kind in sorted({*found.said, *found.wanted})
        }

    def _all(self) -> _Counts:
        """With the sentence that nothing has followed yet."""
        found = self._counts.copy()
        found.add(self._wanted, self._said)
        return found


class _Counts:
    """How many entities of each type are labelled, said, and both."""

    def __init__(self, read: Callable[[Sequence[str]], list[Entity]]) -> None:
        self._read = read
        self.wanted, self.said, self.both = Counter[str](), Counter[str](), Counter[str]()

    def add(self, wanted: Sequence[str], said: Sequence[str]) -> None:
        """Count a sentence by its labels."""
        labelled, found = (set(self._read(each)) for each in (wanted, said))
        self.wanted.update(each.type for each in labelled)
        self.said.update(each.type for each in found)
        self.both.update(each.type for each in labelled & found)

    def copy(self) -> _Counts:
        """The same numbers."""
        found = _Counts(self._read)
        found.wanted, found.said, found.both = self.wanted.copy(), self.said.copy(), self.both.copy()
        return found


@open_text_metric.register
def _entity_scores(metric: EntityScoresSpec, examples: Dataset) -> EntityScores:
    wrong = f"{metric.name} counts the entities of labelled words, and the examples are of others"
    return EntityScores(metric, ExampleRows(examples, WordExamples, wrong))
