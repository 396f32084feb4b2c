"""Images out of files: PNG, JPEG, BMP and PNM, MNIST's IDX, and NumPy's .npy."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from zoo_common.data.sources.idx import read_idx
from zoo_spec.data.limits import ImageLimits
from zoo_spec.reading import UnreadableFileError, open_file, printable, reading

Pixels = NDArray[np.uint8]

FORMATS = ("PNG", "JPEG", "BMP", "PPM")
_NUMPY, _GZIP, _IDX = b"\x93NUMPY", b"\x1f\x8b", b"\0\0\x08"
_JPEG, _SCAN, _MOST_SCANS = b"\xff\xd8", b"\xff\xda", 100
_MODES = {1: "L", 3: "RGB", 4: "RGBA"}
_ROWS = 256
_READABLE = ("1", "L", "P", "RGB", "RGBA", "LA")
"""Modes of 8 bits a channel or less whose colours are plain."""


def read_images(
    path: str, channels: int, limits: ImageLimits | None = None
) -> Iterator[tuple[int | None, Pixels]]:
    """The images of a file, ``[height, width, channels]``, with their index if it may hold several.

    A picture is brought to the ``channels`` that the model has: colours to grey by ITU-R 601-2, grey to equal
    red, green and blue. Raw arrays (IDX, .npy) must have them already. Raises InputError for a file that is
    missing, damaged, of another form, or beyond the ``limits``.
    """
    limits = limits or ImageLimits()
    with open_file(path) as file:
        start = file.read(len(_NUMPY))
        file.seek(0)
        if not start:
            raise UnreadableFileError(path, "the file is empty (0 bytes)")
        if not start.startswith((_NUMPY, _GZIP, _IDX)):
            yield None, _read_picture(file, path, channels, limits)
            return
    if start.startswith(_NUMPY):
        images = _read_numpy(path, channels)
    else:
        pixels = read_idx(path, (3, 4), limits)
        images = pixels[..., None] if pixels.ndim == 3 else pixels
    _check_pixels(path, images.shape[-3:-1], limits)
    yield from _checked(images, path, channels)


def _checked(images: Pixels, path: str, channels: int) -> Iterator[tuple[int | None, Pixels]]:
    """``[count, height, width, channels]`` one by one, or the one image that ``[height, width, channels]`` is."""
    if images.shape[-1] != channels:
        raise UnreadableFileError(
            path, f"the images have {images.shape[-1]} channel(s), the model's input {channels}; convert them"
        )
    if images.ndim == 3:
        yield None, np.asarray(images)
        return
    for index, image in enumerate(images):
        yield index, np.asarray(image)


def _read_numpy(path: str, channels: int) -> Pixels:
    """An array that stays on the disk until each image is read."""
    with reading(path, "NumPy", remedy="it is not an array that NumPy reads; save it again"):
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    if array.dtype != np.uint8:
        raise UnreadableFileError(
            path,
            f"holds {printable(str(array.dtype))[:80]}; pixels are uint8, 0 to 255: "
            "for values in [0, 1], save (array * 255).round().astype('uint8')",
        )
    if array.ndim == 2 or (array.ndim == 3 and array.shape[-1] != channels):
        array = array[..., None]
    if array.ndim not in (3, 4) or 0 in array.shape:
        raise UnreadableFileError(
            path,
            f"has the shape {list(array.shape)}; images are [height, width], "
            "[height, width, channels], [count, height, width] or [count, height, width, channels]",
        )
    return np.asarray(array) if array.ndim == 3 else array


def _read_picture(file: BinaryIO, path: str, channels: int, limits: ImageLimits) -> Pixels:
    if channels not in _MODES:
        raise UnreadableFileError(
            path, f"the model's input has {channels} channels, and a picture 1, 3 or 4; save an .npy file"
        )
    with reading(path, "Pillow"), warnings.catch_warnings():
        # Pillow warns of a picture that is very large, and refuses one that is twice that.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        try:
            opened = Image.open(file, formats=FORMATS)
        except UnidentifiedImageError:
            kinds = ", ".join(FORMATS)
            raise UnreadableFileError(path, f"is no image that is read here ({kinds}, IDX or .npy)") from None
        except Image.DecompressionBombError:
            raise UnreadableFileError(
                path, "has more pixels than the 178,956,970 that Pillow reads; make the picture smaller"
            ) from None
        # Only the header has been read so far.
        _check_pixels(path, opened.size[::-1], limits)
        _check_scans(file, path, limits)
        _check_mode(opened, path)
        ImageOps.exif_transpose(opened, in_place=True)
        if not _is_opaque(opened) and channels != 4:
            raise UnreadableFileError(path, "is transparent in places; put it on a background first")
        return _converted(opened, channels)


def _check_pixels(path: str, size: tuple[int, ...], limits: ImageLimits) -> None:
    height, width = size
    if height * width > limits.picture_pixels:
        raise UnreadableFileError(
            path,
            f"has {height:,} x {width:,} pixels, and {limits.picture_pixels:,} are the most; "
            f"{limits.remedy('picture_pixels')}",
        )


def _check_scans(file: BinaryIO, path: str, limits: ImageLimits) -> None:
    """A progressive JPEG is gone over once for each of its scans, and one takes a hundred bytes."""
    size, most = os.fstat(file.fileno()).st_size, limits.unpacked_bytes
    if size > most:
        raise UnreadableFileError(
            path, f"is {size:,} bytes long, and {most:,} are the most; {limits.remedy('unpacked_bytes')}"
        )
    place = file.tell()
    file.seek(0)
    scans = file.read(size).count(_SCAN) if file.read(len(_JPEG)) == _JPEG else 0
    file.seek(place)
    if scans > _MOST_SCANS:
        raise UnreadableFileError(
            path, f"goes over its picture {scans:,} times, and {_MOST_SCANS} are the most; save it again"
        )


def _check_mode(picture: Image.Image, path: str) -> None:
    if picture.mode not in _READABLE:
        raise UnreadableFileError(
            path, f"has pixels of mode {picture.mode}; save it in grey or RGB with 8 bits a channel"
        )
    if getattr(picture, "n_frames", 1) > 1:
        raise UnreadableFileError(path, "holds several pictures; save each in a file of its own")


def _is_opaque(picture: Image.Image) -> bool:
    if picture.mode not in ("RGBA", "LA") and "transparency" not in picture.info:
        return True
    clear = picture if picture.mode in ("RGBA", "LA") else picture.convert("RGBA")
    lowest, _ = clear.getchannel("A").getextrema()
    return lowest == 255


def _converted(picture: Image.Image, channels: int) -> Pixels:
    """The pixels, some rows at a time: each step of Pillow's way to an array holds a copy of its own."""
    pixels = np.empty((picture.height, picture.width, channels), np.uint8)
    for top in range(0, picture.height, _ROWS):
        rows = pixels[top : top + _ROWS]
        strip = picture.crop((0, top, picture.width, top + len(rows)))
        if channels == 1 and strip.mode not in ("1", "L"):
            # Not at once: a palette's or a transparent picture's own way to grey is not that of its colours.
            strip = strip.convert("RGB")
        rows[...] = np.asarray(strip.convert(_MODES[channels])).reshape(rows.shape)
    return pixels
