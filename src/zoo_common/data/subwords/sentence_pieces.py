"""Pieces of other kinds, as published: SentencePiece's, Unigram or BPE (T5, ALBERT, XLM-R), and whole words."""

from __future__ import annotations

from functools import cached_property

from zoo_common.data.subwords.tokenizer import Subwords

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
