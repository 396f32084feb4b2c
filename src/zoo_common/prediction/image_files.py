"""Images out of files: PNG, JPEG, BMP and PNM, MNIST's IDX, and NumPy's .npy."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from zoo_common.data.files import existing_file
from zoo_common.data.idx import read_idx
from zoo_spec.errors import InputError

Pixels = NDArray[np.uint8]

FORMATS = ("PNG", "JPEG", "BMP", "PPM")
_NUMPY, _GZIP, _IDX = b"\x93NUMPY", b"\x1f\x8b", b"\0\0\x08"
_MODES = {1: "L", 3: "RGB", 4: "RGBA"}
_READABLE = ("1", "L", "P", "RGB", "RGBA", "LA")
"""Modes of 8 bits a channel or less whose colours are plain."""


def read_images(path: str, channels: int) -> Iterator[tuple[int | None, Pixels]]:
    """The images of a file, ``[height, width, channels]``, with their index if it may hold several.

    A picture is brought to the ``channels`` that the model has: colours to grey by ITU-R 601-2, grey to equal
    red, green and blue. Raw arrays (IDX, .npy) must have them already. Raises InputError for a file that is
    missing, damaged or of another form.
    """
    file = existing_file(path)
    try:
        with file.open("rb") as opened:
            start = opened.read(len(_NUMPY))
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    if start.startswith(_NUMPY):
        yield from _checked(_read_numpy(path, channels), path, channels)
    elif start.startswith((_GZIP, _IDX)):
        pixels = read_idx(path, (3, 4))
        yield from _checked(pixels[..., None] if pixels.ndim == 3 else pixels, path, channels)
    else:
        yield None, _read_picture(file, path, channels)


def _checked(images: Pixels, path: str, channels: int) -> Iterator[tuple[int | None, Pixels]]:
    """``[count, height, width, channels]`` one by one, or the one image that ``[height, width, channels]`` is."""
    if images.shape[-1] != channels:
        raise InputError(
            f"{path}: the images have {images.shape[-1]} channel(s), the model's input {channels}; convert them"
        )
    if images.ndim == 3:
        yield None, np.asarray(images)
        return
    for index, image in enumerate(images):
        yield index, np.asarray(image)


def _read_numpy(path: str, channels: int) -> Pixels:
    """An array that stays on the disk until each image is read."""
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError, SyntaxError) as error:
        raise InputError(f"{path}: not an array that NumPy reads ({error}); save it again") from None
    if array.dtype != np.uint8:
        raise InputError(
            f"{path}: holds {array.dtype}; pixels are uint8, 0 to 255: "
            "for values in [0, 1], save (array * 255).round().astype('uint8')"
        )
    if array.ndim == 2 or (array.ndim == 3 and array.shape[-1] != channels):
        array = array[..., None]
    if array.ndim not in (3, 4) or 0 in array.shape:
        raise InputError(
            f"{path}: has the shape {list(array.shape)}; images are [height, width], "
            "[height, width, channels], [count, height, width] or [count, height, width, channels]"
        )
    return np.asarray(array) if array.ndim == 3 else array


def _read_picture(file: Path, path: str, channels: int) -> Pixels:
    if channels not in _MODES:
        raise InputError(
            f"{path}: the model's input has {channels} channels, and a picture 1, 3 or 4; save an .npy file"
        )
    try:
        with warnings.catch_warnings():
            # Pillow warns of a picture that is very large, and refuses one that is twice that.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(file, formats=FORMATS) as opened:
                _check_mode(opened, path)
                picture = ImageOps.exif_transpose(opened)
                if not _is_opaque(picture) and channels != 4:
                    raise InputError(f"{path}: is transparent in places; put it on a background first")
                return _converted(picture, _MODES[channels])
    except InputError:
        raise
    except UnidentifiedImageError:
        kinds = ", ".join(FORMATS)
        raise InputError(f"{path}: is no image that is read here ({kinds}, IDX or .npy)") from None
    except Exception as error:  # Of a damaged file Pillow's decoders raise errors of a dozen kinds.
        raise InputError(f"{path}: is damaged ({error}); get the file again") from None


def _check_mode(picture: Image.Image, path: str) -> None:
    if picture.mode not in _READABLE:
        raise InputError(
            f"{path}: has pixels of mode {picture.mode}; save it in grey or RGB with 8 bits a channel"
        )
    if getattr(picture, "n_frames", 1) > 1:
        raise InputError(f"{path}: holds several pictures; save each in a file of its own")


def _is_opaque(picture: Image.Image) -> bool:
    if picture.mode not in ("RGBA", "LA") and "transparency" not in picture.info:
        return True
    lowest, _ = picture.convert("RGBA").getchannel("A").getextrema()
    return lowest == 255


def _converted(picture: Image.Image, mode: str) -> Pixels:
    if mode != "L":
        return np.asarray(picture.convert(mode))
    # Not at once: a palette's or a transparent picture's own way to grey is not that of its colours.
    grey = picture if picture.mode in ("1", "L") else picture.convert("RGB")
    return np.asarray(grey.convert("L"))[..., None]
