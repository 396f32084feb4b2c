"""Made speech as records: what is said is drawn at once, the sound when it is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from zoo_common.data.base import DataDescription, Split
from zoo_common.data.records import Look, read_records
from zoo_spec.data import GeneratedSpeech
from zoo_spec.data.records import Utterance
from zoo_spec.random import Stream

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ'"
_TONES = np.geomspace(0.06, 0.4, 11)
"""Frequencies, as parts of the rate; their 55 pairs are enough for two of each letter."""
_PAIRS = list(combinations(range(len(_TONES)), 2))
_EDGE = 0.2
"""Part of a unit in which a tone swells, and in which it fades."""


@dataclass(frozen=True)
class MadeSound:
    """The sound of ``units``, drawn by its stream's path."""

    data: GeneratedSpeech
    units: NDArray[np.int32]
    path: tuple[int | str, ...]

    @property
    def rate(self) -> int:
        """As the data says."""
        return self.data.rate

    @property
    def length(self) -> int:
        """Samples of all units."""
        return len(self.units) * (self.data.rate // self.data.unit_rate)

    def read(self, start: int = 0, stop: int | None = None) -> NDArray[np.float32]:
        """Samples in [-1, 1]."""
        return self._samples[start:stop]

    @cached_property
    def _samples(self) -> NDArray[np.float32]:
        data, stream = self.data, Stream(self.data.split_seed, "sound", *self.path)
        pitch, loudness = 0.95 + 0.1 * stream.uniform(), 0.15 + 0.35 * stream.uniform()
        each = data.rate // data.unit_rate
        sounding = np.repeat(self.units, each)
        time = np.arange(self.length)
        pairs = _TONES[np.asarray(_PAIRS)] * pitch
        phases = stream.uniforms(2)
        waves = np.zeros(self.length)
        for tone, phase in enumerate(phases):
            frequency = np.where(sounding > 0, pairs[np.maximum(sounding, 1) - 1, tone], 0.0)
            waves += np.where(sounding > 0, np.sin(2 * np.pi * (frequency * time + phase)), 0.0)
        noise = data.noise * (2 * stream.uniforms(self.length) - 1)
        return np.clip(loudness * waves * self._swelling(each) + noise, -1, 1).astype(np.float32)

    def _swelling(self, each: int) -> NDArray[np.float64]:
        """From 0 to 1 where another unit begins, and back where it ends."""
        borders = np.flatnonzero(np.diff(self.units, prepend=-1, append=-1)) * each
        time = np.arange(self.length)
        before = borders[np.searchsorted(borders, time, side="right") - 1]
        after = borders[np.searchsorted(borders, time, side="right")]
        edge = max(_EDGE * each, 1.0)
        swelling: NDArray[np.float64] = np.minimum(1.0, np.minimum(time - before + 1, after - time) / edge)
        return swelling


class MadeUtterances:
    """Utterances by number, a function of ``split_seed``, the part of the data and the number."""

    def __init__(self, data: GeneratedSpeech, split: Split) -> None:
        self._data, self._split = data, split
        self._words = _vocabulary(data)

    def __len__(self) -> int:
        return self._data.utterances if self._split == "train" else self._data.evaluation_utterances

    def __getitem__(self, index: int) -> Utterance:
        """One of them."""
        data = self._data
        path = (self._split, index)
        stream = Stream(data.split_seed, "utterance", *path)
        count = 1 + stream.integer(data.most_words)
        words = [self._words[stream.integer(len(self._words))] for _ in range(count)]
        least = max(1, round(data.letter_seconds * data.unit_rate / 2))
        units: list[int] = [0]
        for letter in " ".join(words):
            number = ALPHABET.find(letter)
            parts = (0,) if number < 0 else (1 + 2 * number, 2 + 2 * number)
            for part in parts:
                units += [part] * (least + stream.integer(2))
        found = np.asarray([*units, 0], np.int32)
        where = f"made utterance {index + 1} ({self._split})"
        return Utterance(where, MadeSound(data, found, path), " ".join(words), found, data.unit_rate)

    def description(self) -> DataDescription:
        """What is drawn."""
        return DataDescription(GeneratedSpeech.drawn, 0, 0, 0)


def _vocabulary(data: GeneratedSpeech) -> list[str]:
    """Words of two or three letters, in which each letter occurs as soon as there are enough words."""
    stream = Stream(data.split_seed, "vocabulary")
    letters = ALPHABET[: data.letters]
    waiting: list[str] = []
    words: list[str] = []
    for _ in range(data.vocabulary_words):
        word = ""
        for _ in range(2 + stream.integer(2)):
            waiting = waiting or [letters[place] for place in stream.permutation(len(letters))]
            word += waiting.pop()
        words.append(word)
    return words


@read_records.register
def _read(data: GeneratedSpeech, split: Split, look: Look) -> MadeUtterances:
    found = MadeUtterances(data, split)
    for index in range(len(found)):
        look(found[index])
    return found
