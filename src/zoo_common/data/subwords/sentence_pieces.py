"""Pieces of other kinds, as published: SentencePiece's, Unigram or BPE (T5, ALBERT, XLM-R), and whole words."""

from __future__ import annotations

from functools import cached_property

from zoo_common.data.subwords.sentence_piece_file import SPACE
from zoo_common.data.subwords.tokenizer import Subwords

_SPACES = frozenset("\u200b\u200c\u200d\u200e\u200f\u2581\ufeff\ufffd")
"""What its table makes a space of beside white space (google/sentencepiece, builder.cc, the rules ``nmt_nfkc``)."""
_NAMES = (
    ("<pad>", "[PAD]"),
    ("<unk>", "[UNK]"),
    ("[CLS]", "<s>", "<cls>"),
    ("[SEP]", "</s>", "<sep>"),
    ("[MASK]", "<mask>"),
)
"""What each special token is called, by one project or another."""


class SentencePieces(Subwords):
    """A vocabulary whose special tokens have any of the usual names; T5's has neither a beginning nor a mask."""

    whose = "SentencePiece vocabularies (T5's <pad>, </s> and <unk>)"

    @cached_property
    def specials(self) -> tuple[str, str, str, str, str]:
        """Those that are there; the end stands for a beginning where there is none."""
        pad, unknown, begin, end, mask = (
            next((name for name in names if self.tokenizer.token_to_id(name) is not None), None)
            for names in _NAMES
        )
        end = end or "</s>"
        return pad or "<pad>", unknown or "<unk>", begin or end, end, mask or "<mask>"

    @property
    def between(self) -> int:
        """Two after RoBERTa's beginning, else one."""
        return 2 if self.specials[2] == "<s>" else 1

    def check(self) -> None:
        """Raise InputError unless padding and an end are there; a mask is asked for where one is needed."""
        self._id(self.specials[0])
        self._id(self.specials[3])

    def pieces(self, text: str) -> list[tuple[int, int, int]]:
        """As of any tokenizer; the space that a piece begins with is not of it, as ``transformers`` has it."""
        found = super().pieces(text)
        return [(index, *self._behind_space(index, text, start, end)) for index, start, end in found]

    def _behind_space(self, index: int, text: str, start: int, end: int) -> tuple[int, int]:
        """Characters of a piece without the space before them; of a space alone the one that follows it."""
        if not (self.tokenizer.id_to_token(index) or "").startswith(SPACE):
            return start, end
        while start < len(text) - 1 and (text[start].isspace() or text[start] in _SPACES):
            start += 1
        return start, max(end, start + 1)
