"""Which sounds are clustered, and fairseq's list of them: a folder, then a path and its number of samples a line."""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from zoo_common.data.base import Split
from zoo_common.data.files import existing_file
from zoo_common.data.records import open_records, read_records
from zoo_common.data.sounds import require_rate
from zoo_common.data.sources.audio_manifest import part_of
from zoo_common.data.sources.sound_files import SUFFIXES, FileSound, Size
from zoo_common.hidden_units.features import Features
from zoo_common.log import LOG
from zoo_common.prediction.lines import in_folders
from zoo_spec.data import AudioManifest, Data, UtteranceData
from zoo_spec.data.limits import SoundLimits
from zoo_spec.data.records import Record, Utterance
from zoo_spec.errors import InputError
from zoo_spec.reading import printable

_LIST = ".tsv"


@dataclass
class SoundList:
    """Sounds by their paths below a folder, and how long each is."""

    root: str
    rate: int
    limits: SoundLimits
    names: list[str] = field(default_factory=list)
    lengths: array[int] = field(default_factory=lambda: array("q"))

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, number: int) -> FileSound:
        """One of them; nothing is read of it yet."""
        path, part = part_of(self.names[number])
        known = Size(self.rate, self.lengths[number])
        return FileSound(os.path.join(self.root, path), self.limits, part, known=known)

    @property
    def samples(self) -> int:
        """Of all sounds."""
        return sum(self.lengths)

    def text(self) -> str:
        """As fairseq writes it."""
        rows = (f"{name}\t{length}\n" for name, length in zip(self.names, self.lengths, strict=True))
        return f"{self.root}\n{''.join(rows)}"


def lists_at(sources: Sequence[str], features: Features, least: int) -> dict[Split, SoundList]:
    """To train on, those of files, of folders and all below them, and of fairseq's lists; errors as of ``_listed``.

    Raises InputError, too, for what is none of these, and for a folder without sounds.
    """
    return {"train": _listed(_sounds_at(sources, features.rate), features, SoundLimits(), least)}


def lists_of(data: Data, features: Features) -> dict[Split, SoundList]:
    """Those of a spec's data, to train and, where there are some for that, to evaluate on; errors as of ``_listed``.

    Raises InputError, too, for data without utterances, and for utterances that are in no file.
    """
    if not isinstance(data, UtteranceData):
        raise InputError(
            f"data of kind {data.kind!r} is no speech; name a spec on utterances (librispeech, audio_manifest, "
            "audio_table), or folders and files by --audio"
        )
    has_evaluation = data.has_evaluation or data.evaluation is not None or data.evaluation_fraction > 0
    splits: tuple[Split, ...] = ("train", "eval") if has_evaluation else ("train",)
    return {
        split: _listed(_sounds_of(data, split), features, data.limits, data.least_samples) for split in splits
    }


def _sounds_at(sources: Sequence[str], rate: int) -> Iterator[FileSound]:
    for source in sources:
        if source.lower().endswith(_LIST):
            records = read_records(AudioManifest(manifest=source, rate=rate), "train", lambda record: None)
            yield from (_file(records[index]) for index in range(len(records)))
        else:
            for path in in_folders([source], SUFFIXES):
                yield FileSound(str(existing_file(path)), SoundLimits())


def _sounds_of(data: UtteranceData, split: Split) -> Iterator[FileSound]:
    def look(record: Record) -> None:
        require_rate(_file(record), data, record.where)

    records = open_records(data, split, look)
    return (_file(records[index]) for index in range(len(records)))


def _listed(sounds: Iterable[FileSound], features: Features, limits: SoundLimits, least: int) -> SoundList:
    """The list of sounds, of which those of fewer than ``least`` samples are left out and counted.

    Raises InputError for a sound of another rate than the features', one that is too short for a frame, one that is
    given twice, and where none is left.
    """
    paths: list[str] = []
    lengths = array("q")
    short = 0
    for sound in sounds:
        _check(sound, features)
        if sound.length < least:
            short += 1
            continue
        if sound.length < features.least_samples:
            raise InputError(
                f"{sound.name}: has {sound.length:,} samples, and a frame needs {features.least_samples:,}; remove "
                "it, or leave short sounds out (--least-samples, data.least_samples of a spec)"
            )
        paths.append(sound.name)
        lengths.append(sound.length)
    if short:
        LOG.warning(f"{short:,} sounds are shorter than {least:,} samples, and are left out")
    if not paths:
        raise InputError("no sound is left to cluster; give longer ones, or lower --least-samples")
    full = [os.path.abspath(path) for path in paths]
    _require_distinct(full)
    root = os.path.commonpath([os.path.dirname(path) for path in full])
    names = [os.path.relpath(path, root).replace(os.sep, "/") for path in full]
    return SoundList(root, features.rate, limits, names, lengths)


def _check(sound: FileSound, features: Features) -> None:
    if sound.rate != features.rate:
        raise InputError(
            f"{sound.name}: has {sound.rate:,} samples a second, and the features are of {features.rate:,}; convert "
            f"it (ffmpeg -i FILE -ar {features.rate} -ac 1 NEW.flac), or say --rate where all are so"
        )
    if printable(sound.name) != sound.name:
        raise InputError(
            f"{printable(sound.name)}: has a tab, a line's end or the like in its name, which no list can hold; "
            "rename it"
        )


def _require_distinct(paths: Sequence[str]) -> None:
    met: set[str] = set()
    for path in paths:
        if path in met:
            raise InputError(f"{path}: is given twice; name each sound, and each folder, once")
        met.add(path)


def _file(record: Record) -> FileSound:
    sound = record.sound if isinstance(record, Utterance) else None
    if not isinstance(sound, FileSound):
        raise InputError(
            f"{record.where}: is in no file, which a list of units could name; give sounds that are FLAC or WAV files"
        )
    return sound
