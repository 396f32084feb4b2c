"""Which frames of an utterance are hidden: spans of one length that may overlap (HuBERT, wav2vec 2.0)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zoo_spec.random import Stream


def span_mask(
    stream: Stream, frames: int, *, probability: float, length: int, least: int
) -> NDArray[np.bool_]:
    """``[frames]``, True where a frame is hidden.

    fairseq's ``compute_mask_indices`` for one row, with the selection ``static`` and overlaps: as many different
    beginnings as ``probability * frames / length``, rounded up or down at random, ``least`` at least. So few frames
    that no span fits are hidden all but one.
    """
    found = np.zeros(frames, np.bool_)
    if frames < 2:
        return found
    count = max(int(probability * frames / length + stream.uniform()), least)
    shortest = length
    if frames - shortest <= count:
        count = min(count, frames - 1)
        shortest = frames - count - 1
    begins = stream.sample(max(frames - shortest, 1), count)
    places = (begins[:, None] + np.arange(length)).reshape(-1)
    found[places[places < frames]] = True
    return found
