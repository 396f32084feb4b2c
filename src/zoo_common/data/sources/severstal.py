"""Severstal's steel (Kaggle, 2019) in its own files: pictures, and a table of run lengths of their defects.

A run is a pair ``start length`` of pixels down a column and on at the top of the next, counted from 1. The table's
columns are ``ImageId,ClassId,EncodedPixels`` with a row for each defect, or ``ImageId_ClassId,EncodedPixels`` with
four for each image, most of them empty.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zoo_common.data.base import Split
from zoo_common.data.file_marks import Source, sources
from zoo_common.data.record_files import IndexedFile
from zoo_common.data.records import Chosen, FileRecords, Look, Place, Records, read_records
from zoo_common.data.sources.folders import folder, pictures_in
from zoo_common.data.sources.masks import EmptyMask, Run, RunLengthMask
from zoo_common.data.sources.pictures import PictureFile
from zoo_common.data.unpacked import read_text
from zoo_spec.data.inspection import Severstal
from zoo_spec.data.limits import TextLimits
from zoo_spec.data.records import MaskedImage
from zoo_spec.errors import InputError
from zoo_spec.reading import UnreadableFileError

_HEADS = (["ImageId", "ClassId", "EncodedPixels"], ["ImageId_ClassId", "EncodedPixels"])
_CLASSES = range(1, 5)


@dataclass(frozen=True)
class Defect:
    """A row of the table: a kind of defect, the text of its runs, and the line."""

    kind: int
    runs: str
    line: int


class SteelImages(IndexedFile):
    """The pictures with the defects that the table has of them; a ``RecordFile``, whose places are numbers."""

    def __init__(self, data: Severstal) -> None:
        """Raises InputError, naming the table and its line, for a row of another form."""
        self._data = data
        self._folder = folder(Path(data.directory) / "train_images")
        self.path = str(self._folder)
        self._table = _table(data)
        defects = _defects(self._table)
        there = pictures_in(self._folder, deep=False)
        known = set(there)
        for image, rows in defects.items():
            if image not in known:
                raise UnreadableFileError(
                    self._table, f"line {rows[0].line}: there is no picture {image!r} in {self.path}"
                )
        # In the table's order, images without a defect behind: pictures_in has them by their names.
        ordered = [*defects, *(name for name in there if name not in defects)]
        self._images = [(name, self._learned(defects.get(name, []))) for name in ordered]
        if data.only_defective:
            self._images = [image for image in self._images if image[1]]

    @property
    def size(self) -> int:
        """Bytes of the pictures."""
        return sum(os.stat(self._folder / name).st_size for name, _ in self._images)

    def places(self) -> Iterator[Place]:
        """Their numbers, the second as people count."""
        return ((index, index + 1) for index in range(len(self._images)))

    def read(self, place: Place) -> MaskedImage:
        """One of them, whose runs are looked at; InputError, naming the line, for those beyond it or that overlap."""
        name, defects = self._images[place[0]]
        path = str(self._folder / name)
        image = PictureFile(path, self._data.limits)
        size = image.size
        if not defects:
            return MaskedImage(path, image, EmptyMask(size))
        runs = sorted(
            (run, defect.line) for defect in defects for run in self._runs(defect, size[0] * size[1])
        )
        for ((_, start, length), _), ((_, after, _), line) in zip(
            _by_start(runs), _by_start(runs)[1:], strict=False
        ):
            if after < start + length:
                raise UnreadableFileError(
                    self._table, f"line {line}: the run at {after} overlaps with that at {start} of {name}"
                )
        return MaskedImage(path, image, RunLengthMask(size, tuple(Run(*run) for run, _ in runs)))

    def _learned(self, defects: list[Defect]) -> list[Defect]:
        wanted = self._data.class_id
        return [defect for defect in defects if defect.runs and wanted in (None, defect.kind)]

    def _runs(self, defect: Defect, pixels: int) -> Iterator[tuple[int, int, int]]:
        numbers = defect.runs.split()
        if len(numbers) % 2 or not all(
            each.isascii() and each.isdigit() and len(each) < 10 for each in numbers
        ):
            raise UnreadableFileError(
                self._table, f"line {defect.line}: the run lengths are no pairs of numbers"
            )
        kind = defect.kind if self._data.class_id is None else 1
        for start, length in zip(map(int, numbers[::2]), map(int, numbers[1::2]), strict=True):
            if start < 1 or length < 1 or start + length - 1 > pixels:
                raise UnreadableFileError(
                    self._table,
                    f"line {defect.line}: the run of {length} pixels from {start} is not within the image's "
                    f"{pixels:,}, counted from 1",
                )
            yield kind, start, length


def _by_start(runs: list[tuple[tuple[int, int, int], int]]) -> list[tuple[tuple[int, int, int], int]]:
    return sorted(runs, key=lambda run: run[0][1])


def _table(data: Severstal) -> str:
    return data.table or str(Path(data.directory) / "train.csv")


def _defects(table: str) -> dict[str, list[Defect]]:
    """The rows of each image, in the order of the table."""
    limits = TextLimits()
    csv.field_size_limit(max(csv.field_size_limit(), limits.line_bytes))
    rows = csv.reader(read_text(table, limits).split("\n"))
    head = next(rows, [])
    if head not in _HEADS:
        raise UnreadableFileError(
            table, f"line 1: the columns are {head}; expected are {_HEADS[0]} or {_HEADS[1]}"
        )
    found: dict[str, list[Defect]] = {}
    for row in rows:
        line = rows.line_num
        if not row:
            continue
        if len(row) != len(head):
            raise UnreadableFileError(
                table, f"line {line}: has {len(row)} cells, and the columns are {len(head)}"
            )
        image, kind = (row[0], row[1]) if len(head) == 3 else row[0].rpartition("_")[::2]
        if not kind.isdigit() or int(kind) not in _CLASSES:
            raise UnreadableFileError(table, f"line {line}: the class {kind!r} is none of 1 to 4")
        found.setdefault(image, []).append(Defect(int(kind), row[-1].strip(), line))
    return found


@read_records.register
def _read(data: Severstal, split: Split, look: Look) -> Records:
    records = FileRecords(data, [SteelImages(data)], look)
    if data.split == "drawn":
        return records
    learned = round(len(records) * (1 - data.evaluation_fraction))
    chosen = np.arange(learned) if split == "train" else np.arange(learned, len(records))
    if not len(chosen):
        raise InputError(
            f"{data.directory}: {len(records)} image(s), of which data.evaluation_fraction "
            f"{data.evaluation_fraction:g} leaves none for {split}; give more"
        )
    return Chosen(records, chosen)


@sources.register
def _sources(data: Severstal) -> list[Source]:
    images = folder(Path(data.directory) / "train_images")
    names = tuple(pictures_in(images, deep=False))
    return [Source("data.directory", images, names=names), Source("data.table", Path(_table(data)))]
