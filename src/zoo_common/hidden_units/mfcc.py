"""MFCC and how they change, as fairseq clusters them for HuBERT's first units (``dump_mfcc_feature.py``).

``kaldi_native_fbank`` makes the 13 coefficients as Kaldi and ``torchaudio.compliance.kaldi.mfcc`` do: windows of
25 ms every 10, no dither, the zeroth coefficient in the place of the energy. Samples are in [-1, 1], as in fairseq.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from zoo_common.hidden_units.features import whole_per_second
from zoo_spec.data.records import Sound
from zoo_spec.errors import InputError
from zoo_spec.importing import require_extra

COEFFICIENTS = 13
_FRAME_MS, _SHIFT_MS = 25.0, 10.0
_BLOCK = 1 << 19
_REACH = 2
"""Frames on either side that a slope is taken over: torchaudio's ``win_length`` of 5."""
_SLOWEST = 1000
"""Samples a second; below that Kaldi's 23 bands are narrower than what tells frequencies apart."""


class Mfcc:
    """39 values every 10 ms: 13 coefficients, their slopes, and the slopes of those."""

    width = 3 * COEFFICIENTS

    def __init__(self, rate: int) -> None:
        """Raises EnvironmentFault without the library, InputError for a rate of which 10 ms are no whole samples."""
        require_extra("kaldi_native_fbank", library="kaldi-native-fbank", extra="units", what="MFCC")
        if rate < _SLOWEST:
            raise InputError(f"MFCC are of {_SLOWEST:,} samples a second at least, not {rate:,}")
        shift = int(rate * _SHIFT_MS / 1000)
        self.rate = rate
        self.frames_per_second = whole_per_second(rate, shift, "a frame of MFCC, 10 ms,")
        self.least_samples = int(rate * _FRAME_MS / 1000)

    def facts(self) -> Mapping[str, JsonValue]:
        """Their kind and rate."""
        return {"features": "mfcc", "rate": self.rate}

    def of(self, sound: Sound) -> NDArray[np.float32]:
        """``[frames, 39]``."""
        coefficients = self._coefficients(sound)
        slopes = deltas(coefficients)
        return np.concatenate([coefficients, slopes, deltas(slopes)], axis=1)

    def _coefficients(self, sound: Sound) -> NDArray[np.float32]:
        import kaldi_native_fbank as kaldi

        options = kaldi.MfccOptions()
        options.frame_opts.samp_freq = self.rate
        options.frame_opts.frame_length_ms, options.frame_opts.frame_shift_ms = _FRAME_MS, _SHIFT_MS
        options.frame_opts.dither = 0
        options.frame_opts.snip_edges = True
        options.num_ceps, options.use_energy = COEFFICIENTS, False
        made = kaldi.OnlineMfcc(options)
        rows: list[NDArray[np.float32]] = []
        for start in range(0, sound.length, _BLOCK):
            made.accept_waveform(self.rate, sound.read(start, start + _BLOCK).tolist())
            rows += [made.get_frame(number).copy() for number in range(len(rows), made.num_frames_ready)]
        return np.stack(rows) if rows else np.zeros((0, COEFFICIENTS), np.float32)


def deltas(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """How ``[frames, width]`` change with time: ``sum(n (x[t + n] - x[t - n])) / (2 sum(n^2))``, n from 1 to 2.

    What lies beyond either end is as the frame there (``torchaudio.functional.compute_deltas``).
    """
    count = len(values)
    padded = np.pad(values, ((_REACH, _REACH), (0, 0)), mode="edge") if count else values
    total = np.zeros_like(values)
    for n in range(1, _REACH + 1):
        total += n * (padded[_REACH + n : _REACH + n + count] - padded[_REACH - n : _REACH - n + count])
    return total / np.float32(2 * sum(n * n for n in range(1, _REACH + 1)))
