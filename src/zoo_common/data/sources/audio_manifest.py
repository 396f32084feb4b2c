"""fairseq's lists of sounds as records; what stands beside a list is matched by the number of the line."""

from __future__ import annotations

import os
import re
from array import array
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from zoo_common.data.base import Split
from zoo_common.data.files import read_vocabulary_bytes
from zoo_common.data.letter_files import fairseq_symbols
from zoo_common.data.letters import SPACE, SPECIALS
from zoo_common.data.record_files import IndexedFile
from zoo_common.data.records import FileRecords, Look, Place, read_records
from zoo_common.data.sources.rows import Lines
from zoo_common.data.sources.sound_files import FileSound, Part, SoundFiles
from zoo_spec.data import AudioManifest
from zoo_spec.data.records import Utterance
from zoo_spec.errors import InputError
from zoo_spec.reading import UnreadableFileError, open_file, reading

_ZIP = re.compile(r"(.*\.zip):([0-9]{1,18}):([0-9]{1,18})")
_SHOWN = 40


class _LineFile:
    """Lines by number from 0, of which only where each begins is held."""

    def __init__(self, path: str, data: AudioManifest) -> None:
        self.path, self._data = path, data
        self._file: BinaryIO = open_file(path)
        self.size = os.fstat(self._file.fileno()).st_size
        self._offsets = array("q")
        with reading(path):
            lines = Lines(self._file, path, data.limits)
            at = 0
            for _ in lines.unjudged():
                self._offsets.append(at)
                at = lines.offset

    def __len__(self) -> int:
        return len(self._offsets)

    def __getitem__(self, number: int) -> str:
        if os.fstat(self._file.fileno()).st_size != self.size:
            raise UnreadableFileError(self.path, "has changed while it was read; begin again")
        lines = Lines(self._file, self.path, self._data.limits, offset=self._offsets[number], number=number)
        with reading(self.path):
            return next(lines, "").rstrip("\r\n")


class ManifestFile(IndexedFile):
    """One list, with what stands beside it."""

    def __init__(self, data: AudioManifest, path: str, ids: Mapping[str, int] | None) -> None:
        """``ids`` are those of units, where a dictionary has them. InputError for files of unequal lengths."""
        self.path, self._data, self._ids = path, data, ids
        self._list = _LineFile(path, data)
        if not len(self._list):
            raise UnreadableFileError(path, "the file is empty (0 bytes)")
        self._root = data.root or self._list[0].strip()
        if not Path(self._root).is_dir():
            said = "data.root" if data.root else "its first line"
            raise UnreadableFileError(
                path,
                f"the sounds lie in {self._root[:200]!r} by {said}, which is no folder here; set data.root to where "
                "they are",
            )
        self._beside = {ending: _LineFile(str(at), data) for ending, at in files_beside(data, path).items()}
        self._sounds = SoundFiles(data)
        self.size = self._list.size + sum(file.size for file in self._beside.values())
        for file in self._beside.values():
            if len(file) != len(self._list) - 1:
                raise InputError(
                    f"{file.path}: has {len(file):,} lines, and {path} {len(self._list) - 1:,} sounds; line k of one "
                    "belongs to sound k of the other, so give files that were made together"
                )

    def places(self) -> Iterator[Place]:
        """A line each."""
        return ((number, number + 1) for number in range(1, len(self._list)))

    def read(self, place: Place) -> Utterance:
        """The sound of a line, with its transcript and units."""
        number, shown = place
        where = f"{self.path}:{shown}"
        path, tab, samples = self._list[number].partition("\t")
        if not path or not tab or not re.fullmatch("[0-9]{1,15}", samples.strip()):
            raise InputError(f"{where}: is no path, a tab and a number of samples")
        sound = self._sound(number, path)
        if sound.length != int(samples):
            raise InputError(
                f"{where}: says {int(samples):,} samples, and {path} has {sound.length:,}; make the list again"
            )
        transcript = units = None
        if self._data.transcripts is not None:
            transcript = self._transcript(self._data.transcripts, number - 1)
        if self._data.units is not None:
            units = self._units(self._data.units, number - 1)
        return Utterance(where, sound, transcript, units, self._data.unit_rate)

    def _sound(self, number: int, path: str) -> FileSound:
        file, part = part_of(path)
        return self._sounds.open(number, os.path.join(self._root, file), part)

    def _transcript(self, ending: str, number: int) -> str:
        line = self._beside[ending][number]
        if ending == "wrd":
            return line.strip()
        letters = line.split()
        wrong = [letter for letter in letters if len(letter) != 1]
        if wrong:
            raise InputError(
                f"{self._beside[ending].path}:{number + 1}: {wrong[0][:_SHOWN]!r} is no single letter; set "
                "data.transcripts to wrd if these are words"
            )
        return "".join(letters).replace(SPACE, " ").strip()

    def _units(self, ending: str, number: int) -> NDArray[np.int32]:
        where, said = f"{self._beside[ending].path}:{number + 1}", self._beside[ending][number].split()
        if self._ids is not None:
            unknown = [each for each in said if each not in self._ids]
            if unknown:
                raise InputError(
                    f"{where}: has the unit {unknown[0][:_SHOWN]!r}, which is not in {self._data.unit_dictionary}"
                )
            return np.asarray([self._ids[each] for each in said], np.int32)
        wrong = [each for each in said if not re.fullmatch("[0-9]{1,9}", each)]
        if wrong:
            raise InputError(f"{where}: {wrong[0][:_SHOWN]!r} is no number of a unit")
        return np.asarray([int(each) for each in said], np.int32)


def part_of(path: str) -> tuple[str, Part | None]:
    """The file that a list's path means, and which part of it, where it is in a zip file."""
    found = _ZIP.fullmatch(path)
    if found is None:
        return path, None
    file, first, length = found.groups()
    return file, Part(int(first), int(length))


def files_beside(data: AudioManifest, path: str) -> dict[str, Path]:
    """The files of transcripts and units of a list, by their endings."""
    manifest = Path(path)
    folder = manifest.parent if data.label_directory is None else Path(data.label_directory)
    endings = [each for each in (data.transcripts, data.units) if each is not None]
    return {ending: folder / f"{manifest.stem}.{ending}" for ending in endings}


def _ids(data: AudioManifest) -> dict[str, int] | None:
    if data.unit_dictionary is None:
        return None
    path = Path(data.unit_dictionary)
    symbols = fairseq_symbols(read_vocabulary_bytes(path, data.limits), path)
    return {symbol: len(SPECIALS) + number for number, symbol in enumerate(symbols)}


@read_records.register
def _read(data: AudioManifest, split: Split, look: Look) -> FileRecords:
    path = data.evaluation_manifest if split == "eval" and data.evaluation_manifest else data.manifest
    return FileRecords(data, [ManifestFile(data, path, _ids(data))], look, libraries=("numpy", "soundfile"))
