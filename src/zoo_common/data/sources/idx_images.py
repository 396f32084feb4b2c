"""Labelled images that are held in memory: MNIST's files or scikit-learn's digits; their labels are their ids."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zoo_common.data.base import DataDescription, Split
from zoo_common.data.file_marks import Source, embedded_files, sources
from zoo_common.data.records import Chosen, FileRecords, Look, Place, Records, read_records
from zoo_common.data.sources.idx import read_idx
from zoo_spec.data import IdxFiles, ImageData
from zoo_spec.data.limits import ImageLimits
from zoo_spec.data.records import LabelledImage, Window
from zoo_spec.errors import InputError
from zoo_spec.importing import require_extra
from zoo_spec.random import Stream


@dataclass(frozen=True)
class ArrayPicture:
    """Pixels ``[height, width, channels]`` out of an array of the file ``source``."""

    array: NDArray[np.uint8]
    source: str

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        height, width, _ = self.array.shape
        return height, width

    def check(self, channels: int) -> None:
        """Raise InputError unless it has them: nobody says what the channels of an array are."""
        if self.array.shape[-1] != channels:
            raise InputError(
                f"{self.source}: the images have {self.array.shape[-1]} channel(s), the model's input {channels}; "
                f"set the model's channels to {self.array.shape[-1]}"
            )

    def pixels(self, channels: int, window: Window | None = None) -> NDArray[np.uint8]:
        """All, or a part; InputError as of ``check``."""
        self.check(channels)
        if window is None:
            return self.array
        top, left, height, width = window
        return self.array[top : top + height, left : left + width]


@dataclass(frozen=True)
class Images:
    """Images ``[count, height, width, channels]``, labels ``[count]``, and the value of a full pixel.

    It is a ``RecordFile``; a record's place is its number.
    """

    pixels: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    highest: int
    path: str
    size: int
    labels_path: str

    def places(self) -> Iterator[Place]:
        """The numbers, which count from 0 as in a message."""
        return ((index, index) for index in range(len(self.labels)))

    def read(self, place: Place) -> LabelledImage:
        """One image."""
        index, _ = place
        return LabelledImage(
            f"{self.labels_path}: image {index}",
            ArrayPicture(self.pixels[index], self.path),
            int(self.labels[index]),
            self.highest,
        )


class ImageRecords:
    """The records of ``images``, with what is to be said of how they were split."""

    def __init__(self, records: Records, note: str, libraries: tuple[str, ...]) -> None:
        self._records, self._note, self._libraries = records, note, libraries

    def __len__(self) -> int:
        return len(self._records)

    def __getitem__(self, index: int) -> LabelledImage:
        """One of them."""
        found = self._records[index]
        assert isinstance(found, LabelledImage)
        return found

    def description(self) -> DataDescription:
        """Where they come from."""
        notes = (self._note,) if self._note else ()
        return replace(self._records.description(), notes=notes, libraries=self._libraries)


@read_records.register
def _read(data: ImageData, split: Split, look: Look) -> ImageRecords:
    files = idx_files(data.directory) if data.directory is not None else data.files
    if files is None:
        return _part(_digits(), data, split, look, ("numpy", "scikit-learn"))
    if files.evaluation_images is None or files.evaluation_labels is None:
        return _part(_read_pair(files.train_images, files.train_labels, data.limits), data, split, look)
    images, labels = (
        (files.train_images, files.train_labels)
        if split == "train"
        else (files.evaluation_images, files.evaluation_labels)
    )
    return ImageRecords(FileRecords(data, [_read_pair(images, labels, data.limits)], look), "", ("numpy",))


def _read_pair(images_path: str, labels_path: str, limits: ImageLimits) -> Images:
    pixels, labels = read_idx(images_path, (3, 4), limits), read_idx(labels_path, (1,), limits)
    if len(pixels) != len(labels):
        raise InputError(
            f"{images_path} has {len(pixels):,} images, but {labels_path} {len(labels):,} labels; "
            "give the labels that belong to the images"
        )
    if pixels.ndim == 3:
        pixels = pixels[..., None]
    return Images(pixels, labels, 255, images_path, pixels.nbytes + labels.nbytes, labels_path)


def idx_files(directory: str) -> IdxFiles:
    """MNIST's files in a folder, by their own names; raises InputError where one is missing."""
    folder = Path(directory)
    if not folder.is_dir():
        what = "is a file; give it as data.files" if folder.exists() else "there is no such directory"
        raise InputError(f"{directory}: {what} (paths are relative to the working directory, {Path.cwd()})")

    def find(part: str, dimensions: int) -> str | None:
        names = [f"{part}{dot}idx{dimensions}-ubyte{end}" for dot in "-." for end in ("", ".gz")]
        return next((str(folder / name) for name in names if (folder / name).is_file()), None)

    train_images, train_labels = find("train-images", 3), find("train-labels", 1)
    test_images, test_labels = find("t10k-images", 3), find("t10k-labels", 1)
    if train_images is None or train_labels is None:
        missing = "train-images-idx3-ubyte" if train_images is None else "train-labels-idx1-ubyte"
        raise InputError(
            f"{directory}: there is no {missing} (or {missing}.gz) in it; name other files by data.files"
        )
    if (test_images is None) != (test_labels is None):
        missing = "t10k-images-idx3-ubyte" if test_images is None else "t10k-labels-idx1-ubyte"
        raise InputError(
            f"{directory}: there is no {missing} (or {missing}.gz) in it beside the other t10k file"
        )
    return IdxFiles(
        train_images=train_images,
        train_labels=train_labels,
        evaluation_images=test_images,
        evaluation_labels=test_labels,
    )


def _digits() -> Images:
    require_extra(
        "sklearn",
        library="scikit-learn",
        extra="digits",
        what="data.corpus: digits, read where there is neither data.directory nor data.files,",
    )
    # Imported here: it takes a second, and only the digits need it.
    from sklearn.datasets import load_digits

    found = load_digits()
    pixels = np.asarray(found.images).astype(np.uint8)[..., None]
    labels = np.asarray(found.target).astype(np.uint8)
    source = "digits (scikit-learn; UCI Optical Recognition of Handwritten Digits)"
    return Images(pixels, labels, 16, source, pixels.nbytes + labels.nbytes, source)


def _part(
    images: Images, data: ImageData, split: Split, look: Look, libraries: tuple[str, ...] = ("numpy",)
) -> ImageRecords:
    """The part of the images that is trained on, or what of each class, or of the end, is not."""
    count = len(images.labels)
    held = np.zeros(count, bool)
    if data.split == "last_fifth":
        held[count * 4 // 5 :] = True
        note = "evaluated on the last fifth, in file order"
    else:
        for label in np.unique(images.labels):
            members = np.flatnonzero(images.labels == label)
            order = Stream(data.split_seed, "held_out", int(label)).permutation(len(members))
            held[members[order[: round(len(members) * data.evaluation_fraction)]]] = True
        part = "a fifth" if data.evaluation_fraction == 0.2 else f"{data.evaluation_fraction:g}"
        note = f"evaluated on {part} of every class, drawn by split_seed {data.split_seed}"
    chosen = held if split == "eval" else ~held
    if not chosen.any():
        raise InputError(
            f"{images.path}: {note}: of {count} images that leaves none for {split}; give more images"
        )
    records = FileRecords(data, [images], look)
    if len(records) != count:
        raise InputError(f"{images.path}: images are held out by their number; set on_bad_record to fail")
    return ImageRecords(Chosen(records, np.flatnonzero(chosen)), note, libraries)


@sources.register
def _sources(data: ImageData) -> list[Source]:
    files = idx_files(data.directory) if data.directory is not None else data.files
    if files is None:
        return embedded_files("data.corpus", data.corpus, "sklearn", "datasets/data/digits.csv.gz")
    place = "data.files" if data.directory is None else f"data.directory {data.directory}"
    found = []
    for part in IdxFiles.model_fields:
        path = getattr(files, part)
        if path is not None:
            found.append(Source(f"{place}: {part}", Path(path), "eval" if "evaluation" in part else "train"))
    return found
