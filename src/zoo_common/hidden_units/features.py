"""What frames of a sound are clustered by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from zoo_spec.data.records import Sound
from zoo_spec.errors import InputError


class Features(Protocol):
    """A kind of features."""

    rate: int
    """Samples a second of the sounds that they are made of."""
    width: int
    """Values of a frame."""
    frames_per_second: int
    """Frames, and so units, a second."""
    least_samples: int
    """Samples of the shortest sound that has a frame."""

    def facts(self) -> Mapping[str, JsonValue]:
        """What they are, for whoever has to know whether others are the same."""

    def of(self, sound: Sound) -> NDArray[np.float32]:
        """``[frames, width]``; raises InputError for a sound that is damaged."""


def whole_per_second(rate: int, samples: int, what: str) -> int:
    """Frames a second, one every so many samples; InputError where they are no whole number.

    Units stand one after another without their times, so that their number a second has to be a whole one.
    """
    if rate % samples:
        raise InputError(
            f"{what} is {samples} samples at {rate:,} a second, which is no whole number of units a second; convert "
            "the sounds to another rate (ffmpeg -i FILE -ar 16000 NEW.flac)"
        )
    return rate // samples
