"""Text with ``[MASK]`` in; the likeliest words for each mask out (Devlin et al., 2019, 3.1)."""

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

MASK, SEPARATOR = "[MASK]", "[SEP]"


class MaskedWords:
    """A line is a sentence, or two with ``[SEP]`` between them, laid out as in training."""

    key = "text"
    reads_files = False

    def __init__(self, output: str, tokenizer: WordPiece, graph: Graph, *, top: int) -> None:
        self.output = output
        fed = ("input_ids", "token_type_ids", "example_ids", "masked_positions")
        self._words = Words(tokenizer, graph, fed=fed, top=top)

    def items(self, line: Line) -> Iterator[Item]:
        """The line's one item."""
        text = line.text
        if MASK not in text:
            lower = f"; {MASK} is written in capitals" if MASK in text.upper() else ""
            raise InputError(f"{line.source}: has no {MASK}, where a word is to be found{lower}")
        sentences = text.split(SEPARATOR)
        most = 2 if "token_type_ids" in self._words.inputs else 1
        if len(sentences) > most:
            raise InputError(
                f"{line.source}: has {len(sentences)} sentences with {SEPARATOR} between them, and the model "
                f"takes {most}"
            )
        tokenizer = self._words.tokenizer
        ids, types, masked = [tokenizer.cls], [0], []
        for number, sentence in enumerate(sentences):
            for place, piece in enumerate(tokenizer.encode(sentence.split(MASK))):
                if place:
                    masked.append(len(ids))
                    ids.append(tokenizer.mask)
                ids += piece
            ids.append(tokenizer.sep)
            types += [number] * (len(ids) - len(types))
        try:
            features = self._words.features(ids, token_type_ids=types, masked_positions=masked)
        except InputError as error:
            raise InputError(f"{line.source}: {error}") from None
        where: Answer = {"line": line.number, "text": text}
        yield Item(where, features, partial(self._answer, text, len(masked), ids))

    def _answer(self, text: str, masks: int, ids: list[int], row: Row) -> Answer:
        words = [self._words.likeliest(logits) for logits in row[self.output][:masks]]
        pieces = text.split(MASK)
        filled = pieces[0]
        for found, piece in zip(words, pieces[1:], strict=True):
            filled = joined(filled, str(found[0]["word"])) + piece
        told: list[JsonValue] = [list[JsonValue](found) for found in words]
        plain = text.replace(MASK, " ").replace(SEPARATOR, " ")
        return {"filled": filled, "masks": told, **self._words.unknown(plain, ids)}
