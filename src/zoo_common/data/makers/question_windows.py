"""A question and a text as a model reads them: windows of the text that overlap, each behind the question."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from zoo_common.data.base import Example
from zoo_common.data.subwords.tokenizer import Subwords
from zoo_spec.errors import InputError

Piece = tuple[int, int, int]
"""A token's id, its first character and the one after its last."""
Tokens = tuple[int, int]
"""The first token of a text and the one after the last."""
_KEPT = 16
"""Texts whose tokens are held: those of one text are asked for again and again."""


@dataclass(frozen=True)
class Window:
    """A part of a text: its tokens ``first`` to ``last - 1``, of which the first is the model's token ``place``."""

    first: int
    last: int
    place: int

    @property
    def length(self) -> int:
        """Of all that a model reads: what stands before the text, the text, and the separator behind it."""
        return self.place + self.last - self.first + 1


@dataclass(frozen=True)
class AskedText:
    """``question`` as token ids, and the tokens of the ``context``, without the space before each."""

    question: tuple[int, ...]
    context: str
    pieces: tuple[Piece, ...]
    windows: tuple[Window, ...]

    @cached_property
    def owners(self) -> NDArray[np.int64]:
        """Of each token the window that has most text around it, ``[tokens]``: google-research/bert's max context.

        That is the one where the shorter side is longest; of two, the longer, then the earlier window.
        """
        owners = np.zeros(len(self.pieces), np.int64)
        best = np.full(len(self.pieces), -np.inf)
        for number, window in enumerate(self.windows):
            size = window.last - window.first
            left = np.arange(size)
            score = np.minimum(left, size - 1 - left) + 0.01 * size
            part = slice(window.first, window.last)
            owners[part] = np.where(score > best[part], number, owners[part])
            best[part] = np.maximum(best[part], score)
        return owners

    def tokens_of(self, begin: int, end: int) -> Tokens | None:
        """Those that these characters are in; None where none of them is in a token."""
        found = [at for at, (_, first, last) in enumerate(self.pieces) if first < end and last > begin]
        return (found[0], found[-1] + 1) if found else None

    def characters_of(self, first: int, last: int) -> tuple[int, int]:
        """Where the tokens from ``first`` to ``last``, both included, begin and end in the context."""
        return self.pieces[first][1], self.pieces[last][2]


class WindowLayout:
    """How questions are laid out: ``[CLS] question [SEP] text [SEP]``, with two separators between in RoBERTa."""

    def __init__(self, tokenizer: Subwords, *, length: int, stride: int, question_length: int) -> None:
        """``length`` is that of a window with all that stands around it; ``stride`` from one window to the next.

        Raises InputError where the longest question leaves no room for a token of the text.
        """
        self.tokenizer = tokenizer
        self._length, self._stride, self._question_length = length, stride, question_length
        self._specials = 2 + tokenizer.between
        least = question_length + self._specials + 1
        if length < least:
            raise InputError(
                f"data.sequence_length {length} has no room for a text behind a question of data.question_length "
                f"{question_length} tokens; set it to {least} or more, or lower the other"
            )
        self._pieces = lru_cache(_KEPT)(self._cut)

    def asked(self, question: str, context: str) -> AskedText:
        """A question and its text in tokens and windows; there is no window where the text has no token."""
        (ids,) = self.tokenizer.encode([question.lstrip()])
        pieces = self._pieces(context)
        ids = ids[: self._question_length]
        room = self._length - self._specials - len(ids)
        place = 1 + len(ids) + self.tokenizer.between
        found, first = [], 0
        while pieces:
            last = min(first + room, len(pieces))
            found.append(Window(first, last, place))
            if last == len(pieces):
                break
            first += min(self._stride, room)
        return AskedText(tuple(ids), context, pieces, tuple(found))

    def example(self, asked: AskedText, window: Window) -> Example:
        """``input_ids``, ``token_type_ids`` and ``example_ids`` ``[length]`` of a window, without padding."""
        tokenizer = self.tokenizer
        text = [index for index, _, _ in asked.pieces[window.first : window.last]]
        before = [tokenizer.cls, *asked.question, tokenizer.sep]
        behind = [*[tokenizer.sep] * (tokenizer.between - 1), *text, tokenizer.sep]
        ids = np.asarray(before + behind, np.int32)
        types = np.asarray([0] * len(before) + [1] * len(behind), np.int32)
        return {"input_ids": ids, "token_type_ids": types, "example_ids": np.ones_like(ids)}

    def _cut(self, context: str) -> tuple[Piece, ...]:
        return tuple(_trimmed(piece, context) for piece in self.tokenizer.pieces(context))


def _trimmed(piece: Piece, text: str) -> Piece:
    """Byte-level tokens and SentencePiece's begin with the space before a word; as ``transformers`` has it."""
    index, begin, end = piece
    part = text[begin:end]
    begin += len(part) - len(part.lstrip(" "))
    return index, begin, max(begin, end - (len(part) - len(part.rstrip(" "))))
