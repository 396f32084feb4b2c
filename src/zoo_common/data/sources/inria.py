"""Inria's aerial images (Maggiori et al., 2017): ``train/images/austin1.tif``, its mask in ``train/gt``."""

from __future__ import annotations

import re
from pathlib import Path

from zoo_common.data.base import Split
from zoo_common.data.file_marks import Source, sources
from zoo_common.data.records import FileRecords, Look, read_records
from zoo_common.data.sources.folders import folder, pictures_in
from zoo_common.data.sources.masks import Coding, MaskedFiles
from zoo_spec.data.inspection import Inria
from zoo_spec.reading import UnreadableFileError

_NAME = re.compile(r"(?P<town>.*\D)(?P<number>\d+)\.tiff?", re.IGNORECASE)
_EVALUATED = 5
"""Of each town the first ones, as the authors recommend."""


@read_records.register
def _read(data: Inria, split: Split, look: Look) -> FileRecords:
    root = folder(Path(data.directory) / "train")
    pairs = _pairs(root, split)
    return FileRecords(data, [MaskedFiles(str(root), pairs, data.limits, Coding((0, 255)))], look)


def _pairs(root: Path, split: Split) -> list[tuple[str, str | None]]:
    images, masks = folder(root / "images"), folder(root / "gt")
    there = set(pictures_in(masks))
    pairs: list[tuple[str, str | None]] = []
    for name in _part(images, split):
        if name not in there:
            raise UnreadableFileError(images / name, f"has no mask {masks / name}; get the data set again")
        pairs.append((str(images / name), str(masks / name)))
    return pairs


def _part(images: Path, split: Split) -> list[str]:
    found = []
    for name in pictures_in(images, deep=False):
        said = _NAME.fullmatch(name)
        if said is None:
            raise UnreadableFileError(
                images / name, "is not called by a town and a number, as austin1.tif is"
            )
        if (int(said["number"]) <= _EVALUATED) == (split == "eval"):
            found.append(name)
    return found


@sources.register
def _sources(data: Inria) -> list[Source]:
    root = folder(Path(data.directory) / "train")
    found = []
    uses: tuple[Split, ...] = ("train", "eval")
    for use in uses:
        names = [
            f"{part}/{name}" for name in _part(folder(root / "images"), use) for part in ("images", "gt")
        ]
        found.append(Source(f"data.directory ({use})", root, use, tuple(names)))
    return found
