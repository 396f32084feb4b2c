"""The pieces of words that are given one by one, as corpora of labelled words have them."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock

from zoo_common.data.subwords.byte_level_bpe import ByteLevelBpe
from zoo_common.data.subwords.tokenizer import Subwords
from zoo_spec.errors import InputError

_KEPT = 1 << 17
_LONG = 64
"""Words, and characters of one, that are kept in memory with their pieces."""


class WordPieces:
    """Words to the ids of their pieces, each word cut by itself; the pieces of frequent words are kept in memory.

    For byte-level BPE every word has a space in front, as ``transformers`` has it with ``add_prefix_space``. A word
    that the tokenizer makes nothing of, such as a control character, is one unknown piece.
    """

    def __init__(self, tokenizer: Subwords) -> None:
        self.tokenizer = tokenizer
        self._space = " " if isinstance(tokenizer, ByteLevelBpe) else ""
        self._known: dict[str, Sequence[int]] = {}
        self._lock = Lock()

    def of(self, words: Sequence[str], where: str) -> list[Sequence[int]]:
        """The pieces of each word, one at least; InputError for one without, where the vocabulary has no unknown."""
        with self._lock:
            found = {word: self._known[word] for word in words if word in self._known}
        new = list(dict.fromkeys(word for word in words if word not in found))
        for word, ids in zip(new, self.tokenizer.encode([self._space + word for word in new]), strict=True):
            found[word] = tuple(ids) or (self._unknown(word, where),)
        with self._lock:
            if len(self._known) + len(new) > _KEPT:
                self._known.clear()
            self._known.update((word, found[word]) for word in new if len(word) <= _LONG)
        return [found[word] for word in words]

    def _unknown(self, word: str, where: str) -> int:
        found = self.tokenizer.unknown
        if found is None:
            raise InputError(
                f"{where}: {self.tokenizer.origin} has no token for the word {word[:40]!r}; leave the word out"
            )
        return found
