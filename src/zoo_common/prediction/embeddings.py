"""Text in; the vectors that a model represents it by out, of every token and of the whole."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, get_args

import numpy as np
from pydantic import JsonValue

from zoo_common.backend import Array
from zoo_common.prediction.base import Answer, Item, Row
from zoo_common.prediction.layout import LaidOut, said_of
from zoo_common.prediction.lines import Line
from zoo_common.prediction.opening import Asked, open_prediction
from zoo_common.prediction.probabilities import rounded
from zoo_common.prediction.sounds import FrameVectors, frame_vectors
from zoo_common.prediction.words import Words
from zoo_spec.data import TokenizedData
from zoo_spec.errors import InputError
from zoo_spec.graph import Graph
from zoo_spec.tasks import predictions

Which = Literal["sentence", "pooled", "tokens", "all"]
OUTPUTS = {"sentence": "sentence", "pooled": "pooled", "tokens": "hidden_states"}
"""The graph's output that each kind of embedding is."""


class Embeddings:
    """A line is a text, laid out as in training: with special tokens (two sentences with ``[SEP]``), or running."""

    key = "text"
    reads_files = False

    def __init__(self, which: str, words: Words, graph: Graph, longest: int | None = None) -> None:
        """A sentence's vector is of ``longest`` tokens at most. InputError for what the model does not give."""
        if which not in get_args(Which):
            raise InputError(f"embeddings are {', '.join(get_args(Which))}, not {which!r}")
        given = [name for name, output in OUTPUTS.items() if output in graph.outputs]
        self._told = given if which == "all" else [which]
        missing = [OUTPUTS[name] for name in self._told if name not in given]
        if missing or not given:
            raise InputError(
                f"{graph.name} has no output {' or '.join(missing or OUTPUTS.values())}; it has "
                f"{', '.join(graph.outputs)}" + (f": ask for {', '.join(given)}" if given else "")
            )
        self.outputs = tuple(OUTPUTS[name] for name in self._told)
        self._words = words
        self._longest = longest if "sentence" in self._told else None

    def items(self, line: Line) -> Iterator[Item]:
        """The line's one item."""
        with said_of(line):
            laid = self._words.laid_out(line.text)
            if self._longest is not None:
                laid.cut(self._longest)
            item = self._words.item(line, laid, self._answer)
        yield item

    def _answer(self, laid: LaidOut, row: Row) -> Answer:
        answer: Answer = {}
        for name in ("sentence", "pooled"):
            if name in self._told:
                answer[name] = _vector(row[name])
        if "tokens" in self._told:
            vectors = zip(laid.ids, row["hidden_states"], strict=False)
            answer["tokens"] = [
                {"token": self._words.word(index), "embedding": _vector(vector)} for index, vector in vectors
            ]
        return answer


def _vector(values: Array) -> list[JsonValue]:
    return [rounded(value) for value in np.asarray(values, np.float64)]


@open_prediction.register
def _embeddings(declared: predictions.Embeddings, asked: Asked) -> Embeddings | FrameVectors:
    asked.refuse_top("embeddings tell no words")
    if "waveform" in asked.graph.inputs:
        return frame_vectors(asked)
    data = asked.spec.data
    longest = data.sequence_length if isinstance(data, TokenizedData) else None
    return Embeddings(asked.embeddings, asked.text(), asked.graph, longest)
