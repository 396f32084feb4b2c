"""The beginning of a text in; the likeliest words to go on with out."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import JsonValue

from zoo_common.data.subwords.tokenizer import Subwords
from zoo_common.prediction.base import Answer, Item, Row
from zoo_common.prediction.layout import LaidOut, said_of
from zoo_common.prediction.lines import Line
from zoo_common.prediction.opening import Asked, open_prediction
from zoo_common.prediction.words import Words, joined
from zoo_spec.graph import Graph
from zoo_spec.tasks import predictions


class NextWords:
    """A line is fed as running text, without special tokens, as in training."""

    key = "text"
    reads_files = False

    def __init__(self, output: str, tokenizer: Subwords, graph: Graph, *, top: int) -> None:
        self.outputs: tuple[str, ...] = (output,)
        self._words = Words(tokenizer, graph, is_running=True)
        self._top = top

    def items(self, line: Line) -> Iterator[Item]:
        """The line's one item."""
        with said_of(line):
            item = self._words.item(line, self._words.laid_out(line.text), self._answer)
        yield item

    def _answer(self, laid: LaidOut, row: Row) -> Answer:
        words = self._words.likeliest(row[self.outputs[0]][len(laid.ids) - 1], self._top)
        filled = joined(f"{laid.text.rstrip()} ", str(words[0]["word"]))
        told: list[JsonValue] = list[JsonValue](words)
        return {"filled": filled, "words": told}


@open_prediction.register
def _next_words(declared: predictions.NextWords, asked: Asked) -> NextWords:
    return NextWords(declared.outputs[0], asked.tokenizer(), asked.graph, top=asked.words)
