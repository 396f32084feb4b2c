"""FLAC and WAV: how long a sound is without decoding it, and its samples from anywhere in it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import BinaryIO, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from zoo_spec.data import UtteranceData
from zoo_spec.data.limits import SoundLimits
from zoo_spec.importing import require_extra
from zoo_spec.reading import UnreadableFileError, open_file, reading

SUFFIXES = (".flac", ".wav")
"""Endings of files that are sounds."""
_MOST_CHUNKS = 10_000
_BLOCK = 1 << 20
_MOST_RATE = 1_000_000
_AGAIN = "get the file again"


class _Opened(Protocol):
    """What is used of ``soundfile.SoundFile``."""

    samplerate: int
    channels: int
    frames: int

    def seek(self, frames: int) -> int: ...
    def read(self, frames: int, dtype: str) -> NDArray[np.float32]: ...


class Part(NamedTuple):
    """Bytes of a file."""

    first: int
    size: int


class Size(NamedTuple):
    """What a header says."""

    rate: int
    length: int


class SoundFiles:
    """The sounds of a source by number: one that is met for the first time is looked at, later it is known.

    A sound that was cut off is noticed then. Damage in the middle shows only where all is decoded, which takes long:
    so it is, where records that cannot be read are to be left out, and else a run meets it when it reads the sound.
    """

    def __init__(self, data: UtteranceData) -> None:
        self._data = data
        self._known: dict[int | str, Size] = {}

    def open(self, number: int | str, path: str, part: Part | None = None) -> FileSound:
        """The sound of this number, or name; errors as of ``FileSound``."""
        sound = FileSound(path, self._data.limits, part, known=self._known.get(number))
        if number not in self._known:
            sound.check(whole=self._data.on_bad_record == "skip")
            self._known[number] = Size(sound.rate, sound.length)
        return sound


class FileSound:
    """A FLAC or WAV file of one channel, or a part of another file that is one.

    Nothing stays open. Its errors are InputError and name the file.
    """

    def __init__(
        self, path: str, limits: SoundLimits, part: Part | None = None, *, known: Size | None = None
    ) -> None:
        """Reads the header, unless what it says is ``known``."""
        self.path, self._limits, self._part = path, limits, part
        self.name = path if part is None else f"{path}:{part[0]}:{part[1]}"
        if known is None:
            with self._opened() as sound:
                known = Size(sound.samplerate, sound.frames)
        self.rate, self.length = known

    def read(self, start: int = 0, stop: int | None = None) -> NDArray[np.float32]:
        """Samples ``start`` to ``stop - 1``."""
        stop = self.length if stop is None else min(stop, self.length)
        with self._opened() as sound:
            if (sound.samplerate, sound.frames) != (self.rate, self.length):
                raise UnreadableFileError(self.name, "has changed while it was read; begin again")
            sound.seek(start)
            found = sound.read(stop - start, "float32")
        if len(found) != stop - start:
            raise UnreadableFileError(
                self.name,
                f"ends {stop - start - len(found):,} samples before its header says; {_AGAIN}",
            )
        if not np.isfinite(found).all():
            raise UnreadableFileError(self.name, f"has samples that are NaN or infinite; {_AGAIN}")
        return np.asarray(found, np.float32)

    def check(self, *, whole: bool) -> None:
        """Raise InputError for a sound that was cut off, or where the ``whole`` is decoded, for a damaged one."""
        for start in range(0 if whole else self.length - 1, self.length, _BLOCK):
            self.read(start, start + _BLOCK)

    @contextmanager
    def _opened(self) -> Iterator[_Opened]:
        require_extra("soundfile", library="soundfile", extra="audio", what="reading FLAC and WAV")
        import soundfile

        with open_file(self.path) as file, reading(self.name, "libsndfile"):
            stream = self._bounded(file)
            self._check_form(stream)
            try:
                with soundfile.SoundFile(stream) as sound:
                    self._check(sound)
                    yield sound
            except soundfile.LibsndfileError as error:
                why = error.error_string.strip().rstrip(".") or "damaged, or cut off"
                raise UnreadableFileError(
                    self.name, f"cannot be read by libsndfile: {why}; {_AGAIN}"
                ) from None

    def _bounded(self, file: BinaryIO) -> BinaryIO:
        size, limits = os.fstat(file.fileno()).st_size, self._limits
        first, wanted = self._part or Part(0, size)
        if wanted > limits.file_bytes:
            raise UnreadableFileError(
                self.name,
                f"is {wanted:,} bytes long, and {limits.file_bytes:,} are the most; "
                f"{limits.remedy('file_bytes')}",
            )
        if self._part is None:
            return file
        if first + wanted > size:
            raise UnreadableFileError(
                self.name, f"has {size:,} bytes, and {first + wanted:,} are asked for; correct the list"
            )
        file.seek(first)
        return BytesIO(file.read(wanted))

    def _check_form(self, stream: BinaryIO) -> None:
        """libsndfile reads two dozen formats, of which these two are meant; and of a WAV file that was cut off what
        there is, without a word."""
        begin = stream.read(12)
        if begin[:4] != b"fLaC" and (begin[:4] != b"RIFF" or begin[8:] != b"WAVE"):
            what = "is empty" if not begin else "is neither FLAC nor WAV"
            raise UnreadableFileError(self.name, f"{what}; convert it (ffmpeg -i FILE NEW.flac)")
        if begin[:4] == b"RIFF":
            self._check_chunks(stream)
        stream.seek(0)

    def _check_chunks(self, stream: BinaryIO) -> None:
        end = stream.seek(0, os.SEEK_END)
        at = 12
        for _ in range(_MOST_CHUNKS):
            stream.seek(at)
            head = stream.read(8)
            if len(head) < 8:
                break
            size = int.from_bytes(head[4:], "little")
            if head[:4] == b"data":
                if at + 8 + size > end:
                    raise UnreadableFileError(
                        self.name,
                        f"has {end - at - 8:,} bytes of sound, and its header says {size:,}: it was cut off, or "
                        f"written to a pipe; {_AGAIN}, or convert it (ffmpeg -i FILE NEW.flac)",
                    )
                return
            at += 8 + size + size % 2
        raise UnreadableFileError(self.name, f"has no sound in it (no chunk data); {_AGAIN}")

    def _check(self, sound: _Opened) -> None:
        if sound.channels != 1:
            raise UnreadableFileError(
                self.name,
                f"has {sound.channels} channels, and a model hears one; convert it (ffmpeg -i FILE -ac 1 NEW.flac)",
            )
        if not 0 < sound.frames <= self._limits.sound_samples:
            most = self._limits.sound_samples
            raise UnreadableFileError(
                self.name,
                "has no samples; leave it out"
                if sound.frames <= 0
                else f"has {sound.frames:,} samples by its header, and {most:,} are the most; "
                f"{self._limits.remedy('sound_samples')}",
            )
        if not 0 < sound.samplerate <= _MOST_RATE:
            raise UnreadableFileError(
                self.name, f"has {sound.samplerate:,} samples a second by its header; {_AGAIN}"
            )
