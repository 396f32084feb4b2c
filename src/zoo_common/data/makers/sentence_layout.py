"""A document as BERTSUM lays it out: every sentence between ``[CLS]`` and ``[SEP]``, of segments that take turns."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from zoo_common.data.base import Example
from zoo_common.data.subwords.tokenizer import Subwords
from zoo_spec.data.summaries import SummaryData


def kept(document: Sequence[str], data: SummaryData) -> list[int]:
    """The numbers of the sentences that an example has: not too short, and no more than ``most_sentences``."""
    found = [number for number, text in enumerate(document) if len(text.split()) > data.least_words]
    return found[: data.most_sentences]


def shortened(sentence: str, data: SummaryData) -> str:
    """A sentence of ``most_words``."""
    return " ".join(sentence.split()[: data.most_words])


def laid_out(sentences: Sequence[Sequence[int]], tokenizer: Subwords, length: int) -> Example:
    """What is fed of sentences' tokens: ``sentence_positions`` are those of the ``[CLS]`` that are left.

    All is cut to ``length``, its last token being ``[SEP]``; a ``[CLS]`` may so lose its sentence.
    """
    tokens: list[int] = []
    for number, sentence in enumerate(sentences):
        tokens += [*([tokenizer.sep, tokenizer.cls] if number else []), *sentence]
    ids = np.asarray([tokenizer.cls, *tokens[: length - 2], tokenizer.sep], np.int32)
    ends = np.cumsum(ids == tokenizer.sep) - (ids == tokenizer.sep)
    return {
        "input_ids": ids,
        "token_type_ids": (ends % 2).astype(np.int32),
        "example_ids": np.ones_like(ids),
        "sentence_positions": np.flatnonzero(ids == tokenizer.cls).astype(np.int32),
    }


def chosen(scores: Sequence[float], sentences: Sequence[str], most: int = 3) -> list[int]:
    """The best sentences, best first, none that shares three words in a row with a better one (Liu, 2019, 3.3)."""
    found: list[int] = []
    taken: set[tuple[str, ...]] = set()
    for number in map(int, np.argsort(-np.asarray(scores, np.float64), kind="stable")):
        words = sentences[number].split()
        threes = set(zip(words, words[1:], words[2:], strict=False))
        if not threes & taken:
            found.append(number)
            taken |= threes
        if len(found) == most:
            break
    return found
