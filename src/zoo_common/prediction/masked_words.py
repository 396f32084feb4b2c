"""Text with ``[MASK]`` in; the likeliest words for each mask out (Devlin et al., 2019, 3.1)."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import JsonValue

from zoo_common.data.subwords.tokenizer import Subwords
from zoo_common.prediction.base import Answer, Item, Row
from zoo_common.prediction.layout import MASK, LaidOut, said_of
from zoo_common.prediction.lines import Line
from zoo_common.prediction.opening import Asked, open_prediction
from zoo_common.prediction.words import FED, Words, joined
from zoo_spec.errors import InputError
from zoo_spec.graph import Graph
from zoo_spec.tasks import predictions


class MaskedWords:
    """A line is a sentence, or two with ``[SEP]`` between them, laid out as in training."""

    key = "text"
    reads_files = False

    def __init__(self, output: str, tokenizer: Subwords, graph: Graph, *, top: int) -> None:
        self.outputs: tuple[str, ...] = (output,)
        self._words = Words(tokenizer, graph, fed=(*FED, "masked_positions"))
        self._top = top

    def items(self, line: Line) -> Iterator[Item]:
        """The line's one item."""
        with said_of(line):
            if MASK not in line.text:
                lower = f"; {MASK} is written in capitals" if MASK in line.text.upper() else ""
                raise InputError(f"has no {MASK}, where a word is to be found{lower}")
            laid = self._words.laid_out(line.text, masks=True)
            mask = self._words.tokenizer.mask
            masked = [place for place, index in enumerate(laid.ids) if index == mask]
            item = self._words.item(line, laid, self._answer, masked_positions=masked)
        yield item

    def _answer(self, laid: LaidOut, row: Row) -> Answer:
        pieces = laid.text.split(MASK)
        words = [
            self._words.likeliest(logits, self._top) for logits in row[self.outputs[0]][: len(pieces) - 1]
        ]
        filled = pieces[0]
        for found, piece in zip(words, pieces[1:], strict=True):
            filled = joined(filled, str(found[0]["word"])) + piece
        told: list[JsonValue] = [list[JsonValue](found) for found in words]
        return {"filled": filled, "masks": told}


@open_prediction.register
def _masked_words(declared: predictions.MaskedWords, asked: Asked) -> MaskedWords:
    return MaskedWords(declared.outputs[0], asked.tokenizer(), asked.graph, top=asked.words)
