"""Masks: the class of each pixel, out of pictures and run lengths."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from zoo_common.data.record_files import IndexedFile
from zoo_common.data.records import Place
from zoo_common.data.sources.pictures import PictureFile, read_picture, read_values
from zoo_common.data.sources.tiff_rows import plain_rows
from zoo_spec.data.limits import ImageLimits
from zoo_spec.data.mask_folder import Colour
from zoo_spec.data.records import VOID, Mask, MaskedImage, Window
from zoo_spec.errors import InputError
from zoo_spec.reading import UnreadableFileError

Ids = NDArray[np.uint8]


@dataclass(frozen=True)
class Coding:
    """What the pixels of masks have for each class, in the order of ids, and what those that do not count have.

    ``values`` None: numbers that are the ids.
    """

    values: tuple[int | Colour, ...] | None = None
    void: int | Colour | None = None

    @property
    def is_colours(self) -> bool:
        """Whether they are colours, and no numbers."""
        return self.values is not None and isinstance(self.values[0], tuple)

    def ids(self, found: NDArray[np.uint8], path: str) -> Ids:
        """``[height, width]`` of numbers, or ``[height, width, 3]`` of colours, as ids; InputError for others."""
        if found.ndim == 3 and not self.is_colours:
            if (found != found[..., :1]).any():
                raise UnreadableFileError(path, "has colours; say which class each is of in data.values")
            found = found[..., 0]
        codes = _codes(found)
        known = [(_code(value), id_) for id_, value in enumerate(self._values()) if value != self.void]
        known += [] if self.void is None else [(_code(self.void), VOID)]
        known.sort()
        sought = np.array([code for code, _ in known])
        at = np.minimum(np.searchsorted(sought, codes), len(sought) - 1)
        wrong = sought[at] != codes
        if wrong.any():
            row, column = (int(each[0]) for each in np.nonzero(wrong))
            value = found[row, column].tolist()
            remedy = "name it in data.values, or as data.void"
            raise UnreadableFileError(
                path, f"has {value} at row {row + 1}, column {column + 1}, which is no class; {remedy}"
            )
        return np.array([id_ for _, id_ in known], np.uint8)[at]

    def _values(self) -> Sequence[int | Colour]:
        # 255 is no id by itself: it is a full pixel of a mask of two values, or what does not count.
        return range(VOID) if self.values is None else self.values


def _code(value: int | Colour) -> int:
    return value if isinstance(value, int) else value[0] << 16 | value[1] << 8 | value[2]


def _codes(found: NDArray[np.uint8]) -> NDArray[np.int32]:
    if found.ndim == 2:
        return found.astype(np.int32)
    red, green, blue = (found[..., channel].astype(np.int32) for channel in range(3))
    return red << 16 | green << 8 | blue


class MaskFile:
    """A mask on the disk, of which nothing is held."""

    def __init__(self, path: str, limits: ImageLimits, coding: Coding) -> None:
        self.path, self._limits, self._coding = path, limits, coding

    @property
    def size(self) -> tuple[int, int]:
        """Height and width; only the header is read."""
        return PictureFile(self.path, self._limits).size

    def ids(self, window: Window | None = None) -> Ids:
        """``[height, width]``; InputError, naming the file, for a damaged one or a value of no class."""
        if window is None:
            return self._coding.ids(_read(self.path, self._coding.is_colours, self._limits), self.path)
        top, left, height, width = window
        rows = plain_rows(self.path, top, height, self._limits)
        if rows is None:
            whole = _last(self.path, self._coding.is_colours, self._limits, os.stat(self.path).st_mtime_ns)
            part = whole[top : top + height, left : left + width]
        else:
            part = rows[:, left : left + width]
            part = part[..., 0] if part.shape[-1] == 1 else part
        return self._coding.ids(part, self.path)


def _read(path: str, is_colours: bool, limits: ImageLimits) -> NDArray[np.uint8]:
    return read_picture(path, 3, limits) if is_colours else read_values(path, limits)


@lru_cache(maxsize=2)
def _last(path: str, is_colours: bool, limits: ImageLimits, changed: int) -> NDArray[np.uint8]:
    """The latest masks that tiles were asked of."""
    return _read(path, is_colours, limits)


@dataclass(frozen=True)
class Run:
    """Pixels that follow each other down a column and on at the top of the next; ``start`` counts from 1."""

    id: int
    start: int
    length: int


@dataclass(frozen=True)
class RunLengthMask:
    """A mask of ``size`` out of runs; everything else is background."""

    size: tuple[int, int]
    runs: tuple[Run, ...]

    def ids(self, window: Window | None = None) -> Ids:
        """``[height, width]``."""
        height, width = self.size
        flat = np.zeros(height * width, np.uint8)
        for run in self.runs:
            flat[run.start - 1 : run.start - 1 + run.length] = run.id
        ids = flat.reshape(width, height).T
        if window is None:
            return ids
        top, left, rows, columns = window
        return ids[top : top + rows, left : left + columns]


@dataclass(frozen=True)
class EmptyMask:
    """Of an image that has nothing but background."""

    size: tuple[int, int]

    def ids(self, window: Window | None = None) -> Ids:
        """Zeros, ``[height, width]``."""
        return np.zeros(self.size if window is None else window[2:], np.uint8)


@dataclass(frozen=True)
class MaskedFiles(IndexedFile):
    """Images with the files of their masks, None where it is empty; it is a ``RecordFile``, a place is a number."""

    path: str
    pairs: list[tuple[str, str | None]]
    limits: ImageLimits
    coding: Coding

    @property
    def size(self) -> int:
        """Bytes of all images and masks."""
        return sum(os.stat(path).st_size for pair in self.pairs for path in pair if path is not None)

    def places(self) -> Iterator[Place]:
        """Their numbers, the second as people count."""
        return ((index, index + 1) for index in range(len(self.pairs)))

    def read(self, place: Place) -> MaskedImage:
        """One of them, whose sizes are looked at."""
        image_path, mask_path = self.pairs[place[0]]
        image = PictureFile(image_path, self.limits)
        mask: Mask
        if mask_path is None:
            mask = EmptyMask(image.size)
        else:
            mask = MaskFile(mask_path, self.limits, self.coding)
            if mask.size != image.size:
                (height, width), (rows, columns) = image.size, mask.size
                raise InputError(
                    f"{mask_path}: has {rows} x {columns} pixels, and its image {image_path} {height} x {width}; "
                    "give masks of their images' size"
                )
        return MaskedImage(image_path, image, mask)
