"""Pictures out of files: PNG, JPEG, BMP, PNM, TIFF and WebP, told by content, in grey or colours as wanted."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from zoo_common.data.sources import jpeg
from zoo_common.data.sources.tiff_rows import plain_rows
from zoo_spec.data.limits import ImageLimits
from zoo_spec.data.records import Window
from zoo_spec.reading import UnreadableFileError, open_file, reading

Pixels = NDArray[np.uint8]

FORMATS = ("PNG", "JPEG", "BMP", "PPM", "TIFF", "WEBP")
SUFFIXES = (
    *(".png", ".jpg", ".jpeg", ".jpe", ".mpo", ".bmp", ".pnm", ".ppm", ".pgm", ".pbm"),
    *(".tif", ".tiff", ".webp"),
)
"""What the name of a picture in a folder ends with, in either case."""
_SCAN, _MOST_SCANS = b"\xff\xda", 100
_MODES = {1: "L", 3: "RGB", 4: "RGBA"}
_ROWS = 256
_AT_ONCE = 1 << 21
"""Pixels of a picture of which one copy more does no harm."""
_DEEP = ("I;16", "I;16L", "I;16B", "I")
"""Modes of grey of 16 bits a pixel, of which the upper eight are taken, as Pillow does with colours."""
_READABLE = ("1", "L", "P", "RGB", "RGBA", "LA", "CMYK", "YCbCr", *_DEEP)
_ORIENTATION = 0x0112
_ABOUT = frozenset(("exif", "xmp", "XML:com.adobe.xmp"))
"""Where Pillow finds what a camera said."""


class PictureFile:
    """A picture on the disk, of which nothing is held."""

    def __init__(self, path: str, limits: ImageLimits) -> None:
        self.path, self._limits = path, limits

    @property
    def size(self) -> tuple[int, int]:
        """Height and width, as it stands; only the header is read."""
        with _opened(self.path, self._limits) as (_, picture):
            return _size(picture)

    def check(self, channels: int) -> None:
        """Raise InputError for what is no picture, as far as its header says."""
        _check_channels(self.path, channels)
        with _opened(self.path, self._limits):
            pass

    def pixels(self, channels: int, window: Window | None = None) -> Pixels:
        """``[height, width, channels]``; of a large TIFF that is not compressed only the window's rows are read."""
        if window is None:
            return read_picture(self.path, channels, self._limits)
        top, left, height, width = window
        rows = plain_rows(self.path, top, height, self._limits)
        if rows is None:
            whole = _last(self.path, channels, self._limits, os.stat(self.path).st_mtime_ns)
            return whole[top : top + height, left : left + width]
        return _in_channels(rows[:, left : left + width], channels)


def read_picture(path: str, channels: int, limits: ImageLimits) -> Pixels:
    """``[height, width, channels]`` of a file, as its camera says that it stands.

    It is brought to the ``channels``: colours to grey by ITU-R 601-2, grey to equal red, green and blue. Raises
    InputError for a file that is missing, damaged, of another form, or beyond the ``limits``.
    """
    _check_channels(path, channels)
    pixels = _plain_jpeg(path, channels, limits)
    if pixels is not None:
        return pixels
    with _opened(path, limits) as (file, picture):
        _check_scans(file, path, limits)
        ImageOps.exif_transpose(picture, in_place=True)
        if not _is_opaque(picture) and channels != 4:
            raise UnreadableFileError(path, "is transparent in places; put it on a background first")
        return _converted(picture, channels)


def read_values(path: str, limits: ImageLimits) -> Pixels:
    """A mask's own values: ``[height, width]`` of grey or of a palette's numbers, else ``[height, width, 3]``.

    Raises InputError as of ``read_picture``.
    """
    with _opened(path, limits) as (file, picture):
        _check_scans(file, path, limits)
        ImageOps.exif_transpose(picture, in_place=True)
        if picture.mode in ("L", "P", "1"):
            return np.array(picture, np.uint8)
        return _converted(picture, 3)


@lru_cache(maxsize=2)
def _last(path: str, channels: int, limits: ImageLimits, changed: int) -> Pixels:
    """The latest pictures that tiles were asked of: their next tiles are mostly asked next."""
    found = read_picture(path, channels, limits)
    found.flags.writeable = False
    return found


@contextmanager
def _opened(path: str, limits: ImageLimits) -> Iterator[tuple[BinaryIO, Image.Image]]:
    """The file and its picture, of which only the header has been read; whatever goes wrong names the file."""
    with open_file(path) as file, reading(path, "Pillow"), warnings.catch_warnings():
        if os.fstat(file.fileno()).st_size == 0:
            raise UnreadableFileError(path, "the file is empty (0 bytes)")
        # Pillow warns of a picture that is very large, and refuses one that is twice that.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        try:
            picture = Image.open(file, formats=FORMATS)
        except UnidentifiedImageError:
            kinds = ", ".join(FORMATS)
            raise UnreadableFileError(path, f"is no image that is read here ({kinds}, IDX or .npy)") from None
        except Image.DecompressionBombError:
            raise UnreadableFileError(
                path, "has more pixels than the 178,956,970 that Pillow reads; make the picture smaller"
            ) from None
        check_pixels(path, picture.size[::-1], limits)
        _check_mode(picture, path)
        yield file, picture


def _size(picture: Image.Image) -> tuple[int, int]:
    width, height = picture.size
    # Pillow turns a TIFF by itself.
    turned = picture.format != "TIFF" and _orientation(picture) > 4
    return (width, height) if turned else (height, width)


def _orientation(picture: Image.Image) -> int:
    """How a camera says that the picture stands: 1 is upright, above 4 lies on its side."""
    # Pillow decodes a whole PNG to look for it.
    if not _ABOUT.intersection(picture.info):
        return 1
    return int(picture.getexif().get(_ORIENTATION, 1))


def check_pixels(path: str, size: tuple[int, ...], limits: ImageLimits) -> None:
    """Raise InputError for more pixels than the limits."""
    height, width = size
    if height * width > limits.picture_pixels:
        raise UnreadableFileError(
            path,
            f"has {height:,} x {width:,} pixels, and {limits.picture_pixels:,} are the most; "
            f"{limits.remedy('picture_pixels')}",
        )


def _check_channels(path: str, channels: int) -> None:
    if channels not in _MODES:
        raise UnreadableFileError(
            path, f"the model's input has {channels} channels, and a picture 1, 3 or 4; save an .npy file"
        )


def _plain_jpeg(path: str, channels: int, limits: ImageLimits) -> Pixels | None:
    """The pixels of a JPEG of nothing but one upright picture in as many channels; all else is Pillow's to see to."""
    with open_file(path) as file, reading(path, "TurboJPEG"):
        if file.read(len(jpeg.START)) != jpeg.START:
            return None
        data = jpeg.START + file.read(limits.unpacked_bytes)
        found = jpeg.plain(data)
        if found is None or found.channels != channels or len(data) > limits.unpacked_bytes:
            return None
        check_pixels(path, (found.height, found.width), limits)
        return jpeg.decode(data, found.height, found.width, channels)


def _check_scans(file: BinaryIO, path: str, limits: ImageLimits) -> None:
    """A progressive JPEG is gone over once for each of its scans, and one takes a hundred bytes."""
    size, most = os.fstat(file.fileno()).st_size, limits.unpacked_bytes
    if size > most:
        raise UnreadableFileError(
            path, f"is {size:,} bytes long, and {most:,} are the most; {limits.remedy('unpacked_bytes')}"
        )
    place = file.tell()
    file.seek(0)
    scans = file.read(size).count(_SCAN) if file.read(len(jpeg.START)) == jpeg.START else 0
    file.seek(place)
    if scans > _MOST_SCANS:
        raise UnreadableFileError(
            path, f"goes over its picture {scans:,} times, and {_MOST_SCANS} are the most; save it again"
        )


def _check_mode(picture: Image.Image, path: str) -> None:
    if picture.mode not in _READABLE:
        raise UnreadableFileError(
            path, f"has pixels of mode {picture.mode}; save it in grey or RGB with 8 or 16 bits a channel"
        )
    # A camera's MPO has previews behind its picture.
    if picture.format != "MPO" and getattr(picture, "n_frames", 1) > 1:
        raise UnreadableFileError(path, "holds several pictures; save each in a file of its own")


def _is_opaque(picture: Image.Image) -> bool:
    if picture.mode not in ("RGBA", "LA") and "transparency" not in picture.info:
        return True
    clear = picture if picture.mode in ("RGBA", "LA") else picture.convert("RGBA")
    lowest, _ = clear.getchannel("A").getextrema()
    return lowest == 255


def _converted(picture: Image.Image, channels: int) -> Pixels:
    """The pixels, some rows at a time: each step of Pillow's way to an array holds a copy of its own."""
    if picture.mode == _MODES[channels] and picture.width * picture.height <= _AT_ONCE:
        return np.asarray(picture).reshape(picture.height, picture.width, channels)
    pixels = np.empty((picture.height, picture.width, channels), np.uint8)
    for top in range(0, picture.height, _ROWS):
        rows = pixels[top : top + _ROWS]
        strip = picture.crop((0, top, picture.width, top + len(rows)))
        if picture.mode in _DEEP:
            rows[...] = _in_channels(
                (np.asarray(strip) >> 8).clip(0, 255).astype(np.uint8)[..., None], channels
            )
            continue
        if channels == 1 and strip.mode not in ("1", "L"):
            # Not at once: a palette's or a transparent picture's own way to grey is not that of its colours.
            strip = strip.convert("RGB")
        rows[...] = np.asarray(strip.convert(_MODES[channels])).reshape(rows.shape)
    return pixels


def _in_channels(pixels: Pixels, channels: int) -> Pixels:
    """Grey or red, green and blue ``[height, width, 1 or 3]`` in as many channels as are wanted."""
    if pixels.shape[-1] == channels:
        return pixels
    mode = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else np.ascontiguousarray(pixels))
    return np.asarray(mode.convert(_MODES[channels])).reshape(*pixels.shape[:2], channels)
