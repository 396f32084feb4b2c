"""Rows of text between special tokens, and what of them is masked: all rows of a batch at once.

R rows, T tokens, P predictions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zoo_common.data.makers.masking import WholeSpans, choose_spans

Ids = NDArray[np.int32]
Numbers = NDArray[np.int64]
Draws = NDArray[np.float64]

MASKED, KEPT = 0.8, 0.1
"""Of the predicted tokens (Devlin et al., 2019, 3.1); the rest is replaced."""


@dataclass(frozen=True)
class SpecialIds:
    """Ids that the examples are put together with; ``vocabulary`` is the number of tokens to replace by."""

    pad: int
    cls: int
    sep: int
    mask: int
    vocabulary: int


@dataclass(frozen=True)
class Laid:
    """Rows ``[CLS] first [SEP]``, or ``[CLS] first [SEP] second [SEP]``.

    ``middles [R]`` is where the first ``[SEP]`` stands, ``ends [R]`` how long a row is, ``words [R]`` how many of its
    tokens are not special.
    """

    tokens: Ids
    types: Ids
    middles: Numbers
    ends: Numbers
    words: Numbers

    def places(self, words: Numbers) -> Numbers:
        """Where the words of these numbers stand, ``[R, words]``."""
        return words + 1 + (words >= self.middles[:, None] - 1)


@dataclass(frozen=True)
class Masked:
    """The rows as a model reads them, and the ``counts [R]`` tokens that it is to predict of each."""

    tokens: Ids
    positions: Ids
    ids: Ids
    counts: Numbers


def laid_out(pairs: Sequence[tuple[Ids, Ids]], length: int, special: SpecialIds, second: str | None) -> Laid:
    """The segments of each row; without a ``second`` the first alone."""
    tokens = np.zeros((len(pairs), length), np.int32)
    tokens[:, 0] = special.cls
    for row, (one, other) in zip(tokens, pairs, strict=True):
        middle = 1 + len(one)
        row[1:middle], row[middle] = one, special.sep
        if second:
            end = middle + 1 + len(other)
            row[middle + 1 : end], row[end] = other, special.sep
    middles = np.array([1 + len(one) for one, _ in pairs], np.int64)
    ends = middles + 1
    if second:
        ends += np.array([1 + len(other) for _, other in pairs], np.int64)
    at = np.arange(length)
    types = ((at > middles[:, None]) & (at < ends[:, None])).astype(np.int32)
    return Laid(tokens, types, middles, ends, ends - (3 if second else 2))


def chosen_tokens(laid: Laid, draws_RT: Draws, counts: Numbers, most: int) -> Numbers:
    """Positions of the ``counts`` words of least draws, rising, ``[R, P]``; beyond a row's count anything."""
    is_word = np.arange(draws_RT.shape[1]) < laid.words[:, None]
    order = np.argsort(np.where(is_word, draws_RT, 2.0), axis=1, kind="stable")[:, :most]
    beyond = np.arange(order.shape[1]) >= counts[:, None]
    return np.sort(np.where(beyond, np.iinfo(np.int64).max, laid.places(order)), axis=1)


def chosen_spans(
    laid: Laid, spans: WholeSpans, draws: Draws, counts: Numbers, most: int
) -> tuple[Numbers, Numbers]:
    """Positions of whole spans of at most ``counts`` words in all, and how many they are."""
    chosen = np.zeros((len(counts), most), np.int64)
    found = np.zeros_like(counts)
    for row, (words, end) in enumerate(zip(laid.words.tolist(), laid.ends.tolist(), strict=True)):
        places = np.arange(words)
        places += 1 + (places >= laid.middles[row] - 1)
        starts = spans.of(laid.tokens[row, :end], places)
        own = places[choose_spans(starts, words, draws[row], int(counts[row]))]
        found[row] = len(own)
        chosen[row, : len(own)] = own
    return chosen, found


def masked(
    laid: Laid, chosen: Numbers, counts: Numbers, fate_RP: Draws, other_RP: Draws, special: SpecialIds
) -> Masked:
    """What becomes of the chosen: masked, kept, or replaced by any token."""
    width = chosen.shape[1]
    is_chosen = np.arange(width) < counts[:, None]
    positions = np.where(is_chosen, chosen, 0)
    ids = np.take_along_axis(laid.tokens, positions, axis=1)
    fate, other = fate_RP[:, :width], (other_RP[:, :width] * special.vocabulary).astype(np.int32)
    replaced = np.where(fate < MASKED, special.mask, np.where(fate < MASKED + KEPT, ids, other))
    tokens = laid.tokens.copy()
    rows, columns = np.nonzero(is_chosen)
    tokens[rows, positions[rows, columns]] = replaced[rows, columns]
    return Masked(tokens, positions.astype(np.int32), ids, counts)
