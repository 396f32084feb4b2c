"""The beginning of a text in; the likeliest words to go on with out."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from pydantic import JsonValue

from zoo_common.data.tokenizer import WordPiece
from zoo_common.prediction.base import Answer, Item, Row
from zoo_common.prediction.lines import Line
from zoo_common.prediction.words import Words, joined
from zoo_spec.errors import InputError
from zoo_spec.graph import Graph


class NextWords:
    """A line is fed as running text, without special tokens, as in training."""

    key = "text"
    reads_files = False

    def __init__(self, output: str, tokenizer: WordPiece, graph: Graph, *, top: int) -> None:
        self.output = output
        self._words = Words(tokenizer, graph, fed=("input_ids", "token_type_ids", "example_ids"), top=top)

    def items(self, line: Line) -> Iterator[Item]:
        """The line's one item."""
        ids = self._words.tokenizer.encode([line.text])[0]
        if not ids:
            raise InputError(f"{line.source}: has no words to go on from")
        try:
            features = self._words.features(ids, token_type_ids=[0] * len(ids))
        except InputError as error:
            raise InputError(f"{line.source}: {error}") from None
        yield Item({"line": line.number, "text": line.text}, features, partial(self._answer, line.text, ids))

    def _answer(self, text: str, ids: list[int], row: Row) -> Answer:
        words = self._words.likeliest(row[self.output][len(ids) - 1])
        filled = joined(f"{text.rstrip()} ", str(words[0]["word"]))
        told: list[JsonValue] = list[JsonValue](words)
        return {"filled": filled, "words": told, **self._words.unknown(text, ids)}
