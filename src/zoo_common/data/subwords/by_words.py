"""Text to ids word by word, each kind of word once: what a vocabulary makes of a word does not depend on others.

A text of natural language has a few hundred thousand kinds of words, whatever its length; looking them up is some ten
times as fast as cutting each one anew.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from zoo_common.data.subwords.tokenizer import Subwords

_MOST_WORDS = 1 << 18
"""Kinds that are kept, some 50 MB in each process that cuts words; a text without spaces has no end of them. The
common ones of a text that has more are soon there again."""
_WITH_SPACE = re.compile(" ?[^ ]+")
Ids = NDArray[np.int32]


class Encoder:
    """The ids of sentences whose white space is single spaces, one array for all."""

    def __init__(self, tokenizer: Subwords) -> None:
        self._tokenizer = tokenizer
        self._words = words_of(tokenizer)
        self._numbers = _Numbers()
        self._ids, self._starts = np.zeros(0, np.int32), np.zeros(1, np.int64)

    def encode(self, sentences: Sequence[str]) -> tuple[Ids, NDArray[np.int64]]:
        """The ids ``[tokens]`` of all sentences, one after the other, and how many each has, ``[sentences]``."""
        if self._words is None:
            rows = self._tokenizer.encode(list(sentences))
            lengths = np.fromiter(map(len, rows), np.int64, len(rows))
            return np.fromiter(chain.from_iterable(rows), np.int32, int(lengths.sum())), lengths
        words = list(map(self._words, sentences))
        counts = np.fromiter(map(len, words), np.int64, len(words))
        numbers = np.fromiter(
            map(self._numbers.__getitem__, chain.from_iterable(words)), np.int64, int(counts.sum())
        )
        self._learn()
        starts = self._starts[numbers]
        ends = np.cumsum(self._starts[numbers + 1] - starts)
        before = np.concatenate([[0], ends])
        total = int(before[-1])
        places = np.arange(total) + np.repeat(starts - before[:-1], np.diff(before))
        found = self._ids[places]
        if len(self._numbers) > _MOST_WORDS:
            self._numbers = _Numbers()
            self._ids, self._starts = np.zeros(0, np.int32), np.zeros(1, np.int64)
        return found, np.diff(before[np.concatenate([[0], np.cumsum(counts)])])

    def _learn(self) -> None:
        """Have the words cut that were met for the first time."""
        new = self._numbers.new
        if not new:
            return
        self._numbers.new = []
        rows = self._tokenizer.encode(new)
        self._ids = np.concatenate([self._ids, np.fromiter(chain.from_iterable(rows), np.int32)])
        sizes = np.fromiter(map(len, rows), np.int64, len(rows))
        self._starts = np.concatenate([self._starts, self._starts[-1] + np.cumsum(sizes)])


class _Numbers(dict[str, int]):
    """Words by number; one that is asked for and is not there is ``new``."""

    def __init__(self) -> None:
        super().__init__()
        self.new: list[str] = []

    def __missing__(self, word: str) -> int:
        self.new.append(word)
        self[word] = number = len(self)
        return number


def words_of(tokenizer: Subwords) -> Callable[[str], list[str]] | None:
    """How a sentence is cut into what the tokenizer sees apart from the rest; None where that is not known.

    Of BERT's rules white space ends a word whatever stands around it. Of GPT-2's a space begins one: it is part of
    the word after it. Tokens that were added to a vocabulary are looked for in the whole text, special ones aside,
    which a text has none of.
    """
    if tokenizer.watched is not None:
        return None
    content = json.loads(tokenizer.tokenizer.to_str())
    if not all(token["special"] for token in content["added_tokens"]):
        return None
    kinds = [(content[name] or {}).get("type") for name in ("normalizer", "pre_tokenizer", "model")]
    if kinds in (
        ["BertNormalizer", "BertPreTokenizer", "WordPiece"],
        [None, "BertPreTokenizer", "WordPiece"],
    ):
        return str.split
    cuts = content["pre_tokenizer"] or {}
    if kinds == [None, "ByteLevel", "BPE"] and cuts["use_regex"] and not cuts["add_prefix_space"]:
        return _WITH_SPACE.findall
    return None
