"""A text in; the text that a model makes of it out: a translation, a summary, an answer."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from zoo_common.backend import Batch, InferenceModel, Weights
from zoo_common.data.base import Example
from zoo_common.data.makers.generation import generation_of, text_of
from zoo_common.data.subwords.tokenizer import Subwords
from zoo_common.decoding import Generation
from zoo_common.prediction.base import Answer, Item, Row
from zoo_common.prediction.layout import said_of
from zoo_common.prediction.lines import Line
from zoo_common.prediction.opening import Asked, open_prediction
from zoo_spec.data.target_text import TargetTextData
from zoo_spec.errors import InputError
from zoo_spec.tasks import predictions

_NONE = -1
"""Behind the last token of an answer."""


class GeneratedText:
    """A line is a text, fed as in training; the likeliest token is taken until the end is.

    An answer that has as many tokens as a target may have, and no end, is ``unfinished``.
    """

    key = "text"
    reads_files = False
    outputs: tuple[str, ...] = ("tokens",)

    def __init__(self, tokenizer: Subwords, generation: Generation, *, prefix: str, room: int | None) -> None:
        """``prefix`` is put in front of each text; no more than ``room`` tokens are fed."""
        self._tokenizer, self._generation = tokenizer, generation
        self._prefix, self._room = prefix, room

    def items(self, line: Line) -> Iterator[Item]:
        """The line's one item."""
        with said_of(line):
            ids = self._tokenizer.encode([self._prefix + line.text])[0]
            if not ids:
                raise InputError("has no words")
            ids = [*ids, self._tokenizer.sep]
            if self._room is not None and len(ids) > self._room:
                raise InputError(
                    f"the text has {len(ids):,} tokens, its end included, and the model takes {self._room:,}; "
                    "shorten it"
                )
            tokens = np.asarray(ids, np.int32)
            features: Example = {"input_ids": tokens, "example_ids": np.ones_like(tokens)}
        yield Item({"line": line.number, "text": line.text}, features, self._answer)

    def run(self, model: InferenceModel, batch: Batch) -> Weights:
        """``tokens [batch, most]``, -1 behind each row's last."""
        found = self._generation.of(model.predict_step, batch)
        tokens = np.full((len(found), max(map(len, found))), _NONE, np.int32)
        for index, row in enumerate(found):
            tokens[index, : len(row)] = row
        return {"tokens": tokens}

    def _answer(self, row: Row) -> Answer:
        tokens = [int(token) for token in row["tokens"] if token != _NONE]
        text, is_finished = text_of(tokens, self._tokenizer)
        return {"answer": text} if is_finished else {"answer": text, "unfinished": True}


@open_prediction.register
def _generated_text(declared: predictions.GeneratedText, asked: Asked) -> GeneratedText:
    asked.refuse_top("a text is answered with a text")
    data, bound, tokenizer = asked.spec.data, asked.graph.bounds.get("sequence"), asked.tokenizer()
    return GeneratedText(
        tokenizer,
        generation_of(tokenizer, asked.graph, data),
        prefix=data.prefix if isinstance(data, TargetTextData) else "",
        room=None if bound is None else bound.maximum,
    )
