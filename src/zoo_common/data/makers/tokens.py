"""A corpus as token ids: one flat array, with where its sentences and documents start."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zoo_common.data.entries import Entry


@dataclass(frozen=True)
class TokenCorpus:
    """Token ids of sentences in documents; nothing in it is empty.

    ``ids [tokens]`` int32, or uint16 where that suffices; sentence ``s`` is ``ids[sentences[s]:sentences[s + 1]]``;
    document ``d`` has the sentences ``documents[d]`` to ``documents[d + 1] - 1``.
    """

    ids: NDArray[np.int32] | NDArray[np.uint16]
    sentences: NDArray[np.int64]
    documents: NDArray[np.int64]
    entry: Entry | None = None
    """Where they are kept, if they are; the arrays are mapped then, and never read whole."""

    @property
    def num_documents(self) -> int:
        """Documents."""
        return len(self.documents) - 1

    def span(self, first: int, last: int) -> NDArray[np.int32]:
        """The ids of sentences ``first`` to ``last - 1``, which stand in one document."""
        return self.tokens(int(self.sentences[first]), int(self.sentences[last]))

    def tokens(self, first: int, last: int) -> NDArray[np.int32]:
        """The ids of tokens ``first`` to ``last - 1``."""
        return self.ids[first:last].astype(np.int32)
