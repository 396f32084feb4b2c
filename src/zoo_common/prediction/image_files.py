"""Images out of files that a user names: pictures, MNIST's IDX, and NumPy's .npy."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from zoo_common.data.sources.idx import read_idx
from zoo_common.data.sources.pictures import check_pixels, read_picture
from zoo_spec.data.limits import ImageLimits
from zoo_spec.reading import UnreadableFileError, open_file, printable, reading

Pixels = NDArray[np.uint8]

_NUMPY, _GZIP, _IDX = b"\x93NUMPY", b"\x1f\x8b", b"\0\0\x08"


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
        if not start:
            raise UnreadableFileError(path, "the file is empty (0 bytes)")
    if not start.startswith((_NUMPY, _GZIP, _IDX)):
        yield None, read_picture(path, channels, limits)
        return
    if start.startswith(_NUMPY):
        images = _read_numpy(path, channels)
    else:
        pixels = read_idx(path, (3, 4), limits)
        images = pixels[..., None] if pixels.ndim == 3 else pixels
    check_pixels(path, images.shape[-3:-1], limits)
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
