"""What is masked as a whole: words (google-research/bert), phrases and entities (Sun et al., 2019, 3.2)."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from zoo_common.data.subwords.tokenizer import Subwords
from zoo_common.data.unpacked import read_text
from zoo_spec.data.limits import TextLimits
from zoo_spec.errors import InputError

Positions = NDArray[np.intp]


class WholeSpans:
    """Finds the spans of a text: its words, and such runs of words as ``phrases`` lists by their token ids.

    ``continues [vocabulary]`` says which tokens go on with a word, ``closes [vocabulary]`` after which one begins
    whatever comes. Of several phrases that begin at a word the longest is taken, from left to right; one that ends
    within a word is none.
    """

    def __init__(
        self,
        continues: NDArray[np.bool_],
        phrases: Iterable[tuple[int, ...]] = (),
        closes: NDArray[np.bool_] | None = None,
    ) -> None:
        self._continues = continues
        self._closes = np.zeros(len(continues), np.bool_) if closes is None else closes
        self._begins_phrase = np.zeros(len(continues), np.bool_)
        self._phrases: dict[int, list[tuple[int, ...]]] = {}
        for phrase in sorted(set(phrases), key=lambda each: (-len(each), each)):
            self._phrases.setdefault(phrase[0], []).append(phrase)
            self._begins_phrase[phrase[0]] = True

    def of(self, tokens: NDArray[np.int32], candidates: Positions) -> Positions:
        """Where in ``candidates``, positions in ``tokens`` in order, each span begins: at a gap at the latest."""
        ids = tokens[candidates]
        apart = np.diff(candidates, prepend=candidates[:1] - 2) > 1
        # Text that was cut within a word begins with a token that goes on; it is a word here.
        begins = apart | ~self._continues[ids]
        begins[1:] |= self._closes[ids[:-1]]
        for start in np.flatnonzero(begins & self._begins_phrase[ids]).tolist():
            if begins[start]:
                begins[start + 1 : self._phrase_end(ids, start, begins, apart)] = False
        return np.flatnonzero(begins)

    def _phrase_end(
        self, ids: NDArray[np.int32], start: int, begins: NDArray[np.bool_], apart: NDArray[np.bool_]
    ) -> int:
        """Where the longest phrase that stands at ``start`` ends; ``start`` if there is none."""
        for phrase in self._phrases[int(ids[start])]:
            end = start + len(phrase)
            is_there = tuple(ids[start:end].tolist()) == phrase and not apart[start + 1 : end].any()
            if is_there and (end == len(ids) or begins[end]):
                return end
        return start


def choose_spans(starts: Positions, size: int, draws: NDArray[np.float64], count: int) -> Positions:
    """Which of ``size`` places are chosen, in order, ``count`` at most: whole spans, in the order of their ``draws``.

    Spans begin at ``starts``. One that is longer than what is left is passed over, so that fewer places may be
    chosen, as in google-research/bert.
    """
    lengths = np.diff(starts, append=size)
    chosen = np.zeros(len(starts), np.bool_)
    left = count
    for span in np.argsort(draws[: len(starts)], kind="stable").tolist():
        if lengths[span] <= left:
            chosen[span] = True
            left -= int(lengths[span])
        if not left:
            break
    return np.flatnonzero(np.repeat(chosen, lengths))


def read_phrases(path: str, tokenizer: Subwords, limits: TextLimits | None = None) -> list[tuple[int, ...]]:
    """The token ids of each line of a file, in the middle of a text; lines with an unknown word are left out.

    Raises InputError if no line is left.
    """
    lines = read_text(path, limits or TextLimits()).split("\n")
    unknown = tokenizer.unknown
    rows = tokenizer.encode([f" {line.strip()}" for line in lines if line.strip()])
    phrases = [tuple(row) for row in rows if row and unknown not in row]
    if not phrases:
        raise InputError(
            f"{path}: has no phrase that the vocabulary has all words of; give one phrase or entity a line"
        )
    return phrases
