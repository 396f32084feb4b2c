"""Text in; a class for each of its tokens out (Devlin et al., 2019, 5.3)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from pydantic import JsonValue

from zoo_common.prediction.base import Answer, Item, Row
from zoo_common.prediction.entities import Entities
from zoo_common.prediction.layout import LaidOut, said_of
from zoo_common.prediction.lines import Line
from zoo_common.prediction.opening import Asked, open_prediction
from zoo_common.prediction.probabilities import rounded, softmax
from zoo_common.prediction.words import Words
from zoo_spec.data import LabelledWordsData
from zoo_spec.tasks import predictions


class TokenLabels:
    """A line is a text; special tokens have no class."""

    key = "text"
    reads_files = False

    def __init__(self, output: str, words: Words) -> None:
        self.outputs: tuple[str, ...] = (output,)
        self._words = words

    def items(self, line: Line) -> Iterator[Item]:
        """The line's one item."""
        with said_of(line):
            item = self._words.item(line, self._words.laid_out(line.text), self._answer)
        yield item

    def _answer(self, laid: LaidOut, row: Row) -> Answer:
        probabilities = softmax(row[self.outputs[0]][: len(laid.ids)])
        tokens: list[JsonValue] = []
        for index, span, chances in zip(laid.ids, laid.spans, probabilities, strict=True):
            if span is not None:
                _, start, end = laid.told(span)
                label = int(np.argmax(chances))
                tokens.append(
                    {
                        "token": self._words.word(index),
                        "start": start,
                        "end": end,
                        "label": label,
                        "probability": rounded(chances[label]),
                    }
                )
        return {"tokens": tokens}


@open_prediction.register
def _token_labels(declared: predictions.TokenLabels, asked: Asked) -> TokenLabels | Entities:
    """Of labels with names the entities; of those without, which nobody can tell the meaning of, each token's."""
    asked.refuse_top("a token is answered with its likeliest class")
    names, data = asked.label_names, asked.spec.data
    if names is None:
        return TokenLabels(declared.outputs[0], asked.text())
    cut = data.word_cut if isinstance(data, LabelledWordsData) else "words"
    return Entities(declared.outputs[0], asked.text(), names, cut=cut, every_word=asked.every_word)
