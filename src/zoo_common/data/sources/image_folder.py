"""Folders of pictures as labelled images, of which only the names are held."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from zoo_common.data.base import Split
from zoo_common.data.file_marks import Source, sources
from zoo_common.data.held_out import HeldOut
from zoo_common.data.record_files import IndexedFile
from zoo_common.data.records import (
    Chosen,
    FileRecords,
    Look,
    Place,
    Records,
    read_records,
)
from zoo_common.data.sources.folders import folder, pictures_in, subfolders
from zoo_common.data.sources.pictures import PictureFile
from zoo_common.data.unpacked import read_text
from zoo_spec.data.image_folder import ImageFolder
from zoo_spec.data.limits import ImageLimits, TextLimits
from zoo_spec.data.records import LabelledImage
from zoo_spec.reading import UnreadableFileError

_EVALUATION = ("val", "validation", "valid", "test")
"""What the folder beside ``train`` may be called; the first that is there."""


@dataclass(frozen=True)
class PictureFolder(IndexedFile):
    """The pictures of a folder with their labels; it is a ``RecordFile``, and a record's place is its number."""

    path: str
    names: list[str]
    labels: list[str]
    limits: ImageLimits

    @property
    def size(self) -> int:
        """Bytes of all pictures."""
        return sum(os.stat(os.path.join(self.path, name)).st_size for name in self.names)

    def places(self) -> Iterator[Place]:
        """Their numbers, the second as people count."""
        return ((index, index + 1) for index in range(len(self.names)))

    def read(self, place: Place) -> LabelledImage:
        """One of them; the file is not opened yet."""
        index, _ = place
        path = os.path.join(self.path, self.names[index])
        return LabelledImage(path, PictureFile(path, self.limits), self.labels[index])


def parts(directory: str) -> tuple[Path, Path | None]:
    """The folders to train on and to evaluate on; None where some of the first is held out."""
    root = folder(directory)
    if not (root / "train").is_dir():
        return root, None
    beside = (root / name for name in _EVALUATION)
    return root / "train", next((path for path in beside if path.is_dir()), None)


@read_records.register
def _read(data: ImageFolder, split: Split, look: Look) -> Records:
    training, evaluation = parts(data.directory)
    if split == "eval" and evaluation is not None:
        # A flat folder's labels are what the training folder's classes are called.
        classes = None if data.train_labels is not None else subfolders(training)
        return FileRecords(data, [_opened(data, evaluation, data.evaluation_labels, classes)], look)
    records = FileRecords(data, [_opened(data, training, data.train_labels, None)], look)
    if evaluation is not None:
        return records
    return Chosen(records, HeldOut(len(records), data).of(split))


def _opened(data: ImageFolder, path: Path, table: str | None, classes: list[str] | None) -> PictureFolder:
    if table is not None:
        return _flat(data, path, table, classes)
    names = pictures_in(path)
    stray = next((name for name in names if "/" not in name), None)
    if stray is not None:
        raise UnreadableFileError(
            path / stray,
            "lies beside the folders of the classes; put it into one, or name a table of labels "
            "(data.train_labels, data.evaluation_labels)",
        )
    empty = set(subfolders(path)) - {name.partition("/")[0] for name in names}
    if empty and classes is None:
        raise UnreadableFileError(path / min(empty), "has no pictures; each folder is a class and has some")
    return PictureFolder(str(path), names, [name.partition("/")[0] for name in names], data.limits)


def _flat(data: ImageFolder, path: Path, table: str, classes: list[str] | None) -> PictureFolder:
    """The pictures that a table has labels of."""
    there = pictures_in(path)
    by_name = {name: name for name in there} | {
        str(PurePosixPath(name).with_suffix("")): name for name in there
    }
    found: dict[str, str] = {}
    lines = read_text(table, TextLimits()).split("\n")
    known = None if classes is None else set(classes)
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        name, label = _cells(line)
        if name not in by_name and not found and number == 1:
            continue  # Headings.
        where = f"line {number}"
        if name not in by_name:
            raise UnreadableFileError(table, f"{where}: there is no picture {name!r} in {path}")
        if known is not None and label not in known:
            label = label.partition(" ")[0]  # ImageNet's own table goes on with boxes.
        if not label:
            raise UnreadableFileError(
                table, f"{where}: has no label behind {name!r}; give a file and its label"
            )
        if by_name[name] in found:
            raise UnreadableFileError(table, f"{where}: {name!r} stands there twice")
        found[by_name[name]] = label
    missing = next((name for name in there if name not in found), None)
    if missing is not None:
        raise UnreadableFileError(table, f"has no label of {missing!r}, which is in {path}")
    return PictureFolder(str(path), there, [found[name] for name in there], data.limits)


def _cells(line: str) -> tuple[str, str]:
    """A file and its label."""
    for between in ("\t", ","):
        if between in line:
            name, _, label = line.partition(between)
            return name.strip(), label.strip()
    name, _, label = line.strip().rpartition(" ")
    return name.strip(), label.strip()


@sources.register
def _sources(data: ImageFolder) -> list[Source]:
    training, evaluation = parts(data.directory)
    found = [Source("data.directory", training, names=tuple(pictures_in(training)))]
    if evaluation is not None:
        names = tuple(pictures_in(evaluation))
        found.append(Source(f"data.directory ({evaluation.name})", evaluation, "eval", names))
    if data.train_labels is not None:
        found.append(Source("data.train_labels", Path(data.train_labels)))
    if data.evaluation_labels is not None:
        found.append(Source("data.evaluation_labels", Path(data.evaluation_labels), "eval"))
    return found
