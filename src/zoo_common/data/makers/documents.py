"""Which documents of running text are held out for evaluation."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zoo_spec.random import Stream


def cuts(
    sentences: NDArray[np.int64], sizes: NDArray[np.int64], fraction: float, seed: int
) -> NDArray[np.int64]:
    """From which sentence on each of the documents is held out, ``[documents]``.

    They have so many sentences and characters, of which about ``fraction`` are held out: documents in an order drawn
    by ``seed``, as long as they fit. Where that gives fewer than two documents, or less than half of what is wanted,
    each document's last sentences are taken instead. All are held out where the ``fraction`` is 1.
    """
    if fraction in (0, 1):
        return sentences.copy() if fraction == 0 else np.zeros_like(sentences)
    budget = fraction * int(sizes.sum())
    found, used = sentences.copy(), 0
    left = np.asarray(Stream(seed, "held_out").permutation(len(sizes)), np.int64)
    while len(left := left[used + sizes[left] <= budget]):
        total = used + np.cumsum(sizes[left])
        fitting = int(np.searchsorted(total, budget, side="right"))
        found[left[:fitting]] = 0
        used, left = int(total[fitting - 1]), left[fitting:]
    if np.count_nonzero(found == 0) >= 2 and used >= budget / 2:
        return found
    # The nearest number of sentences, at least one of ten or more.
    tails: NDArray[np.float64] = np.maximum(np.rint(sentences * fraction), sentences >= 10)
    kept: NDArray[np.int64] = sentences - tails.astype(np.int64)
    return kept
