"""Waveforms as a model hears them, in training and in prediction alike."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zoo_spec.data import UtteranceData
from zoo_spec.data.records import Sound
from zoo_spec.errors import InputError

_EPSILON = 1e-5
"""Added to the variance, as fairseq's ``layer_norm`` of a waveform does."""


def require_rate(sound: Sound, data: UtteranceData, where: str) -> None:
    """Raise InputError for a sound of another rate than the data's."""
    if sound.rate != data.rate:
        raise InputError(
            f"{where}: has {sound.rate:,} samples a second, and data.rate is {data.rate:,}; nothing is resampled "
            f"here: convert it (ffmpeg -i FILE -ar {data.rate} -ac 1 NEW.flac), or set data.rate"
        )


def heard(sound: Sound, data: UtteranceData, start: int = 0, stop: int | None = None) -> NDArray[np.float32]:
    """Samples ``start`` to ``stop - 1``, brought to mean 0 and variance 1 of the whole if the data says so.

    Raises InputError for samples that are damaged.
    """
    return normalized(sound.read())[start:stop] if data.normalize else sound.read(start, stop)


def normalized(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean 0 and variance 1."""
    wide = samples.astype(np.float64)
    return np.asarray((wide - wide.mean()) / np.sqrt(wide.var() + _EPSILON), np.float32)
