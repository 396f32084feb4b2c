"""Text in; what a model says of the whole of it out: a class, several labels, or a number."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
from pydantic import JsonValue

from zoo_common.backend import Array
from zoo_common.prediction.base import Answer, Item, Row
from zoo_common.prediction.layout import LaidOut, said_of
from zoo_common.prediction.lines import Line
from zoo_common.prediction.opening import Asked, open_prediction
from zoo_common.prediction.probabilities import Names, label_of, rounded, sigmoid, told
from zoo_common.prediction.words import Words
from zoo_spec.tasks import predictions


class TextLabels:
    """A line is a text, or two with ``[SEP]`` between them; ``says`` puts the whole text's logits into words."""

    key = "text"
    reads_files = False

    def __init__(self, output: str, words: Words, says: Callable[[Array], Answer]) -> None:
        self.outputs: tuple[str, ...] = (output,)
        self._words, self._says = words, says

    def items(self, line: Line, most: int | None = None) -> Iterator[Item]:
        """The line's one item, cut to ``most`` tokens as in training where that is said."""
        with said_of(line):
            laid = self._words.laid_out(line.text)
            if most is not None:
                laid.cut(most)
            item = self._words.item(line, laid, self._answer)
        yield item

    def _answer(self, laid: LaidOut, row: Row) -> Answer:
        return self._says(row[self.outputs[0]])


def labels_of(logits: Array, names: Names = None) -> Answer:
    """Of ``logits [labels]``, each for itself, those that are likelier than not, and the probability of each."""
    probabilities = sigmoid(logits)
    labels: list[JsonValue] = [told(int(label), names) for label in np.flatnonzero(probabilities > 0.5)]
    return {"labels": labels, "probabilities": [rounded(each) for each in probabilities]}


def number_of(logits: Array) -> Answer:
    """The number that a single logit is."""
    return {"value": rounded(float(logits))}


@open_prediction.register
def _text_label(declared: predictions.TextLabel, asked: Asked) -> TextLabels:
    asked.refuse_top("a text is answered with all probabilities")
    return TextLabels(declared.outputs[0], asked.text(), partial(label_of, names=asked.label_names))


@open_prediction.register
def _text_labels(declared: predictions.TextLabels, asked: Asked) -> TextLabels:
    asked.refuse_top("a text is answered with all probabilities")
    return TextLabels(declared.outputs[0], asked.text(), partial(labels_of, names=asked.label_names))


@open_prediction.register
def _text_number(declared: predictions.TextNumber, asked: Asked) -> TextLabels:
    asked.refuse_top("a text is answered with a number")
    return TextLabels(declared.outputs[0], asked.text(), number_of)
