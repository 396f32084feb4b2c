"""A corpus as token ids: one flat array, with where its sentences and documents start."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zoo_common.data.base import check_range
from zoo_common.data.makers.documents import running
from zoo_common.data.sentences import Document
from zoo_common.data.subwords.tokenizer import Subwords

_BATCH, _CHARACTERS = 4096, 1 << 21
"""Sentences, and characters about, that are encoded at once: bounds the memory of Python lists."""


@dataclass(frozen=True)
class TokenCorpus:
    """Token ids of sentences in documents; nothing in it is empty.

    ``ids [tokens]`` int32; sentence ``s`` is ``ids[sentences[s]:sentences[s + 1]]``; document ``d`` has the
    sentences ``documents[d]`` to ``documents[d + 1] - 1``.
    """

    ids: NDArray[np.int32]
    sentences: NDArray[np.int64]
    documents: NDArray[np.int64]

    @property
    def num_documents(self) -> int:
        """Documents."""
        return len(self.documents) - 1

    def span(self, first: int, last: int) -> NDArray[np.int32]:
        """The ids of sentences ``first`` to ``last - 1``, which stand in one document."""
        return self.ids[self.sentences[first] : self.sentences[last]]


def tokenize(documents: Sequence[Document], tokenizer: Subwords, vocabulary_size: int) -> TokenCorpus:
    """The ids of all documents; sentences and documents that have no token are left out.

    Raises InputError for an id that the model's embedding has no row for, naming the sentence.
    """
    sentences = list(running(documents))
    lengths = np.zeros(len(sentences), np.int64)
    parts: list[NDArray[np.int32]] = []
    for start, stop in _batches(sentences):
        rows = tokenizer.encode(sentences[start:stop])
        lengths[start:stop] = [len(row) for row in rows]
        parts.append(np.fromiter((each for row in rows for each in row), np.int32))
    ids = np.concatenate([np.zeros(0, np.int32), *parts])
    if ids.size and int(ids.max()) >= vocabulary_size:
        wrong = int(np.searchsorted(np.cumsum(lengths), int(np.argmax(ids >= vocabulary_size)), side="right"))
        check_range(
            ids, vocabulary_size, "token id", wrong, "take the vocabulary that the model was made for"
        )
    owner = np.repeat(np.arange(len(documents)), [len(document) for document in documents])
    filled = lengths > 0
    per_document = np.bincount(owner[filled], minlength=len(documents))
    return TokenCorpus(
        ids,
        np.concatenate([[0], np.cumsum(lengths[filled])]).astype(np.int64),
        np.concatenate([[0], np.cumsum(per_document[per_document > 0])]).astype(np.int64),
    )


def _batches(sentences: Sequence[str]) -> Iterator[tuple[int, int]]:
    """The first sentence of each batch, and the one after its last."""
    start = characters = 0
    for place, sentence in enumerate(sentences):
        is_full = place - start == _BATCH or characters + len(sentence) > _CHARACTERS
        if is_full and place > start:
            yield start, place
            start, characters = place, 0
        characters += len(sentence)
    if sentences:
        yield start, len(sentences)
