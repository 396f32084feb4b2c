"""LibriSpeech's folders as records: a chapter is a file of transcripts, and a sound for each of its lines."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from zoo_common.data.base import Split
from zoo_common.data.records import FileRecords, Look, Place, read_records
from zoo_common.data.sources.rows import Lines
from zoo_common.data.sources.sound_files import SUFFIXES, SoundFiles
from zoo_spec.data import LibriSpeech
from zoo_spec.data.records import Utterance
from zoo_spec.errors import InputError
from zoo_spec.reading import UnreadableFileError, open_file, printable, reading

_NAME = "LibriSpeech"
_ENDING = ".trans.txt"
_ALONE = -1
"""Where the record of a sound begins that no line speaks of."""


class Chapter:
    """The utterances of one folder."""

    def __init__(self, data: LibriSpeech, transcripts: Path) -> None:
        self.path, self.size = str(transcripts), 0
        self._data, self._folder = data, transcripts.parent
        with reading(self._folder):
            names = sorted(os.listdir(self._folder))
        self._sounds = {Path(name).stem: name for name in reversed(names) if name.lower().endswith(SUFFIXES)}
        self._alone: list[str] = []
        self._files = SoundFiles(data)

    def places(self) -> Iterator[Place]:
        """Each line, then each sound that no line speaks of."""
        told = set()
        with open_file(self.path) as file:
            self.size = os.fstat(file.fileno()).st_size
            lines = Lines(file, self.path, self._data.limits)
            at = 0
            for line in lines.unjudged():
                if line.strip():
                    stem = line.split(" ", 1)[0].strip()
                    if stem in told:
                        raise lines.wrong(f"has the sound {printable(stem)} a second time; keep one of both")
                    told.add(stem)
                    yield at, lines.number
                at = lines.offset
        self._alone = [name for stem, name in sorted(self._sounds.items()) if stem not in told]
        for number in range(len(self._alone)):
            yield _ALONE, number

    def read(self, place: Place) -> Utterance:
        """The utterance of a line; raises InputError for a line without a sound, or the reverse."""
        at, number = place
        if at == _ALONE:
            raise UnreadableFileError(
                self._folder / self._alone[number],
                f"has no line in {Path(self.path).name}; write what is said there, or remove the sound",
            )
        with open_file(self.path) as file:
            lines = Lines(file, self.path, self._data.limits, offset=at, number=number - 1)
            line = next(lines, "")
        stem, _, text = line.rstrip("\r\n").partition(" ")
        name = self._sounds.get(stem.strip())
        where = f"{self.path}:{number}"
        if name is None:
            raise InputError(
                f"{where}: there is no sound {stem}.flac beside it; get it again, or take the line out"
            )
        sound = self._files.open(number, str(self._folder / name))
        return Utterance(where, sound, text.strip())


def chapters(data: LibriSpeech, subsets: tuple[str, ...]) -> list[Path]:
    """The files of transcripts of subsets; InputError for a subset that is not there, or has none."""
    root = Path(data.directory)
    if (root / _NAME).is_dir():
        root = root / _NAME
    with reading(root):
        there = sorted(each.name for each in root.iterdir() if each.is_dir())
    found: list[Path] = []
    for subset in subsets:
        if subset not in there:
            names = ", ".join(there[:20]) or "no folder at all"
            raise InputError(f"{root}: has no subset {subset!r}; it has {names}")
        files = [
            file
            for speaker in _folders(root / subset)
            for chapter in _folders(speaker)
            for file in sorted(chapter.iterdir())
            if file.name.endswith(_ENDING)
        ]
        if not files:
            raise InputError(
                f"{root / subset}: has no SPEAKER/CHAPTER/SPEAKER-CHAPTER{_ENDING}; give a folder of LibriSpeech's"
            )
        _check_folders(root / subset, {file.parent for file in files})
        found += files
    return found


def _folders(parent: Path) -> list[Path]:
    """In the order of their numbers."""
    with reading(parent):
        found = [each for each in parent.iterdir() if each.is_dir()]
    return sorted(found, key=lambda each: ((each.name.isdigit() and int(each.name[:18])) or 0, each.name))


def _check_folders(subset: Path, told: set[Path]) -> None:
    """Raise InputError for a chapter that has sounds and no transcripts."""
    for speaker in _folders(subset):
        for chapter in _folders(speaker):
            if chapter not in told and any(each.suffix.lower() in SUFFIXES for each in chapter.iterdir()):
                raise InputError(
                    f"{chapter}: has sounds and no {speaker.name}-{chapter.name}{_ENDING}; get it again, or remove "
                    "the folder"
                )


@read_records.register
def _read(data: LibriSpeech, split: Split, look: Look) -> FileRecords:
    subsets = data.evaluation_subsets if split == "eval" and data.evaluation_subsets else data.subsets
    files = [Chapter(data, path) for path in chapters(data, subsets)]
    return FileRecords(data, files, look, libraries=("numpy", "soundfile"))
