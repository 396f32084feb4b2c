"""Which files tell data of sounds from another: lists and transcripts, which name every sound.

The sounds themselves are too many bytes to be read for this; a list says how long each is.
"""

from __future__ import annotations

from pathlib import Path

from zoo_common.data.file_marks import Source, Use, named_files, sources
from zoo_common.data.sources.audio_manifest import files_beside
from zoo_common.data.sources.librispeech import chapters
from zoo_spec.data import AudioManifest, AudioTable, LibriSpeech, UtteranceData


@sources.register
def _librispeech(data: LibriSpeech) -> list[Source]:
    parts: tuple[tuple[str, tuple[str, ...], Use], ...] = (
        ("data.subsets", data.subsets, "train"),
        ("data.evaluation_subsets", data.evaluation_subsets or (), "eval"),
    )
    found = [
        Source(f"{field}: {path.name}", path, use)
        for field, subsets, use in parts
        for path in chapters(data, subsets)
    ]
    return [*found, *_dictionary(data)]


@sources.register
def _manifest(data: AudioManifest) -> list[Source]:
    parts: tuple[tuple[str, str | None, Use], ...] = (
        ("data.manifest", data.manifest, "train"),
        ("data.evaluation_manifest", data.evaluation_manifest, "eval"),
    )
    found = []
    for field, path, use in parts:
        if path is not None:
            beside = files_beside(data, path)
            found += [
                Source(field, Path(path), use),
                *(Source(f"{field}: {ending}", at, use) for ending, at in beside.items()),
            ]
    if data.unit_dictionary is not None:
        found.append(Source("data.unit_dictionary", Path(data.unit_dictionary)))
    return [*found, *_dictionary(data)]


@sources.register
def _table(data: AudioTable) -> list[Source]:
    return [
        *named_files("data.files", data.files),
        *named_files("data.evaluation_files", data.evaluation_files, "eval"),
        *_dictionary(data),
    ]


def _dictionary(data: UtteranceData) -> list[Source]:
    return [] if data.dictionary is None else [Source("data.dictionary", Path(data.dictionary))]
