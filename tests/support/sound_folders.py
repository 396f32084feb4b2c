"""Small folders of sounds, as LibriSpeech and fairseq lay them out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

from zoo_spec.data import AudioManifest

RATE = 16_000


def tone(samples: int, pitch: int = 440) -> np.ndarray:
    return (0.4 * np.sin(2 * np.pi * pitch * np.arange(samples) / RATE)).astype(np.float32)


def written(path: Path, samples: int = 4000, rate: int = RATE, channels: int = 1) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.stack([tone(samples)] * channels, axis=-1), rate, subtype="PCM_16")
    return path


def librispeech(root: Path, said: dict[str, str]) -> Path:
    """Sounds and transcripts of speaker 84, chapter 121123, in dev-clean."""
    folder = root / "LibriSpeech/dev-clean/84/121123"
    for name in said:
        written(folder / f"{name}.flac")
    lines = "".join(f"{name} {text}\n" for name, text in said.items())
    (folder / "84-121123.trans.txt").write_text(lines, encoding="utf-8")
    return folder


SAID = {"84-121123-0000": "GO", "84-121123-0001": "DO YOU HEAR", "84-121123-0002": "IT'S HE"}


def manifest(folder: Path, **beside: str) -> AudioManifest:
    """fairseq's list of two sounds, whose first line names somebody else's folder."""
    for number, samples in enumerate((4000, 8000)):
        written(folder / f"sounds/{number}.flac", samples)
    (folder / "train.tsv").write_text("/data/theirs\n0.flac\t4000\n1.flac\t8000\n", encoding="utf-8")
    for ending, lines in beside.items():
        (folder / f"train.{ending}").write_text(lines, encoding="utf-8")
    named = {"transcripts": "ltr"} if "ltr" in beside else {"transcripts": "wrd"} if "wrd" in beside else {}
    units = {"units": "km"} if "km" in beside else {}
    return AudioManifest(manifest=str(folder / "train.tsv"), root=str(folder / "sounds"), **named, **units)
