"""Text in; the entities in it out, each with its type and its place in the text.

The text is cut into words as ``data.word_cut`` says, each word into pieces as in training, and a word's label is that
of its first piece. What the labels make together is read as in an evaluation (``zoo_common.data.entities``).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
from pydantic import JsonValue

from zoo_common.data.entities import entities, is_of_entities
from zoo_common.data.word_cuts import Span, cut_words
from zoo_common.prediction.base import Answer, Item, Row
from zoo_common.prediction.layout import LaidOut, said_of
from zoo_common.prediction.lines import Line
from zoo_common.prediction.probabilities import rounded, softmax
from zoo_common.prediction.words import Words
from zoo_spec.data.labelled_words import WordCut
from zoo_spec.errors import InputError


class Entities:
    """A line is a text; ``every_word`` has the label of each word told too, in IOB.

    Where labels stand for themselves, as parts of speech do, the words are all that is told.
    """

    key = "text"
    reads_files = False

    def __init__(
        self, output: str, words: Words, names: tuple[str, ...], *, cut: WordCut, every_word: bool
    ) -> None:
        self.outputs: tuple[str, ...] = (output,)
        self._words, self._names, self._cut = words, names, cut
        self._has_entities = is_of_entities(names)
        self._every_word = every_word or not self._has_entities

    def items(self, line: Line) -> Iterator[Item]:
        """The line's one item."""
        with said_of(line):
            spans = cut_words(line.text, self._cut)
            if not spans:
                raise InputError("has no words")
            laid, firsts = self._words.of_words(line.text, spans)
            item = self._words.item(line, laid, partial(self._answer, spans, firsts))
        yield item

    def _answer(self, spans: list[Span], firsts: list[int], laid: LaidOut, row: Row) -> Answer:
        probabilities = softmax(row[self.outputs[0]][firsts])
        labels = [self._names[each] for each in np.argmax(probabilities, axis=-1)]
        chances = probabilities.max(axis=-1)
        found: Answer = {}
        if self._has_entities:
            found["entities"] = [
                {
                    "type": each.type or "entity",
                    **_told(laid.text, spans[each.first][0], spans[each.last - 1][1]),
                    "probability": rounded(chances[each.first : each.last].min()),
                }
                for each in entities(labels)
            ]
        if self._every_word:
            found["words"] = [
                {**_told(laid.text, *span), "label": label, "probability": rounded(chance)}
                for span, label, chance in zip(spans, labels, chances, strict=True)
            ]
        return found


def _told(text: str, start: int, end: int) -> dict[str, JsonValue]:
    return {"text": text[start:end], "start": start, "end": end}
