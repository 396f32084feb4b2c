"""Text as a run's tokenizer and model see it, shared by the predictions that read text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from pydantic import JsonValue

from zoo_common.backend import Array
from zoo_common.data.base import Example
from zoo_common.data.subwords.tokenizer import CONTINUES, Subwords
from zoo_common.data.subwords.word_pieces import WordPieces
from zoo_common.prediction.base import Answer, Item, Row
from zoo_common.prediction.layout import LaidOut, Span, marked, running
from zoo_common.prediction.lines import Line
from zoo_common.prediction.probabilities import likeliest, rounded, softmax
from zoo_spec.data_fit import most_texts
from zoo_spec.errors import InputError
from zoo_spec.frameworks import compilers
from zoo_spec.graph import Graph

FED = ("input_ids", "token_type_ids", "example_ids")
"""The inputs that any text gives."""


class Words:
    """Feeds token ids to a model, and tells the words of its answers."""

    def __init__(
        self, tokenizer: Subwords, graph: Graph, *, fed: Sequence[str] = FED, is_running: bool = False
    ) -> None:
        """``fed`` are the inputs that are made from text; raises InputError if the model needs others.

        ``is_running`` if the model reads running text, without special tokens.
        """
        needed = [name for name in graph.features if not graph.inputs[name].optional and name not in fed]
        if needed or "input_ids" not in graph.inputs:
            raise InputError(
                f"{graph.name} needs the input {', '.join(needed) or 'input_ids'}, and text gives "
                f"{', '.join(fed)}; predict with the compiled model itself ({compilers()})"
            )
        self.tokenizer = tokenizer
        self._pieces = WordPieces(tokenizer)
        self.inputs = frozenset(graph.features)
        self.most_sentences = 1 if is_running else most_texts(graph)
        self._is_running = is_running
        self.longest = graph.bounds["sequence"].maximum if "sequence" in graph.bounds else None

    def laid_out(self, text: str, *, masks: bool = False) -> LaidOut:
        """A line as in training; raises InputError for more sentences than the model takes, or no words."""
        if self._is_running:
            return running(text, self.tokenizer)
        return marked(text, self.tokenizer, most=self.most_sentences, masks=masks)

    def of_words(self, text: str, spans: Sequence[Span]) -> tuple[LaidOut, list[int]]:
        """Words of a line, each cut by itself as in training, and where each one's first piece stands."""
        laid, firsts = LaidOut(text), list[int]()
        if not self._is_running:
            laid.mark(self.tokenizer.cls, 0)
        words = [text[begin:end] for begin, end in spans]
        for span, ids in zip(spans, self._pieces.of(words, "a text"), strict=True):
            firsts.append(len(laid.ids))
            laid.ids += ids
            laid.sentences += [0] * len(ids)
            laid.spans += [span] * len(ids)
        if not self._is_running:
            laid.mark(self.tokenizer.sep, 0)
        return laid, firsts

    def item(
        self, line: Line, laid: LaidOut, answer: Callable[[LaidOut, Row], Answer], **others: list[int]
    ) -> Item:
        """What is fed for a line, and what its answer is; ``unknown`` tells words that there are no pieces for.

        Raises InputError if there are more tokens than the model has positions for.
        """
        where: Answer = {"line": line.number, "text": line.text}
        return Item(where, self._features(laid, **others), partial(self._answer, laid, answer))

    def _answer(self, laid: LaidOut, answer: Callable[[LaidOut, Row], Answer], row: Row) -> Answer:
        return {**answer(laid, row), **self._unknown(laid)}

    def _features(self, laid: LaidOut, **others: list[int]) -> Example:
        """The inputs that the model has of these; nothing in them is padding."""
        given = {
            "input_ids": laid.ids,
            "token_type_ids": laid.sentences,
            "example_ids": [1] * len(laid.ids),
            **others,
        }
        return self.fed({name: np.asarray(value, np.int32) for name, value in given.items()})

    def fed(self, features: Example) -> Example:
        """Those that the model has of a text's inputs; raises InputError for more tokens than it takes."""
        count = len(features["input_ids"])
        if self.longest is not None and count > self.longest:
            raise InputError(
                f"the text has {count:,} tokens, special ones included, and the model takes "
                f"{self.longest:,}; shorten it"
            )
        return {name: value for name, value in features.items() if name in self.inputs}

    def _unknown(self, laid: LaidOut) -> Answer:
        """``unknown``, the words of a text that the tokenizer has no pieces for, if there are any."""
        found = zip(laid.ids, laid.spans, strict=True)
        words: list[JsonValue] = [
            laid.told(span)[0]
            for index, span in found
            if index == self.tokenizer.unknown and span is not None
        ]
        return {"unknown": words} if words else {}

    def likeliest(self, logits: Array, top: int) -> list[Answer]:
        """The ``top`` words of ``logits [vocabulary]``, the likeliest first, with their probabilities.

        Rows of the embedding that no token has are no words, though they take part in the softmax.
        """
        probabilities = softmax(logits)
        return [
            {"word": self.word(index), "probability": rounded(probabilities[index])}
            for index in likeliest(probabilities[: self.tokenizer.size], top)
        ]

    def word(self, index: int) -> str:
        """The token of an id; what goes on with a word begins with ``##``."""
        return self.tokenizer.shown(index)


def joined(text: str, word: str) -> str:
    """A text with a word after it; one that goes on with the last word is put right behind it."""
    return text.rstrip() + word.removeprefix(CONTINUES) if word.startswith(CONTINUES) else text + word
