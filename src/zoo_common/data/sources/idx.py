"""MNIST's file format (LeCun et al., http://yann.lecun.com/exdb/mnist), gzip or not.

Two zero bytes, a type byte (0x08, unsigned byte), the number of dimensions, then each dimension as a 32-bit
big-endian integer, then the values in row-major order.
"""

from __future__ import annotations

import gzip
import math
import os
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from zoo_spec.data.limits import ImageLimits
from zoo_spec.errors import InputError
from zoo_spec.reading import open_file, printable, reading

_GZIP = b"\x1f\x8b"
_UNSIGNED_BYTE = 0x08


def read_idx(
    path: str | Path, dimensions: tuple[int, ...], limits: ImageLimits | None = None
) -> NDArray[np.uint8]:
    """The array of an IDX file that has one of these numbers of ``dimensions``.

    No more is unpacked than its header says, nor anything of what its header says is beyond the ``limits``. Raises
    InputError for a file that is missing, empty, of another format, or shorter or longer than it says.
    """
    limits = limits or ImageLimits()
    with open_file(path) as file:
        size = os.fstat(file.fileno()).st_size
        is_zipped = file.read(len(_GZIP)) == _GZIP
        file.seek(0)
        if not is_zipped:
            return _read(
                file, printable(path), dimensions, limits.file_bytes, limits.remedy("file_bytes"), size
            )
        corrupt = f"the gzip file of {size:,} bytes is corrupt; get the file again"
        with reading(path, "gzip", remedy=corrupt), gzip.GzipFile(fileobj=file) as unzipped:
            remedy = limits.remedy("unpacked_bytes")
            return _read(
                cast(BinaryIO, unzipped), printable(path), dimensions, limits.unpacked_bytes, remedy, None
            )


def _read(
    file: BinaryIO, name: str, dimensions: tuple[int, ...], most: int, remedy: str, size: int | None
) -> NDArray[np.uint8]:
    """The array of an opened file, whose ``size`` is not known where it is zipped."""
    shape, expected = _header(file, name, dimensions)
    if size is not None and size != expected:
        raise _wrong_size(name, shape, expected, size)
    if expected > most:
        raise InputError(f"{name}: has {expected:,} bytes of pixels, and {most:,} are the most; {remedy}")
    values = expected - 4 * (1 + len(shape))
    data = file.read(values + 1)
    if len(data) != values:
        raise _wrong_size(name, shape, expected, expected - values + len(data))
    return np.frombuffer(data, np.uint8).reshape(shape)


def _header(file: BinaryIO, name: str, dimensions: tuple[int, ...]) -> tuple[tuple[int, ...], int]:
    """The shape that an IDX file says it has, and how many bytes that makes, the header's included."""
    start = file.read(4)
    kinds = " or ".join(f"0x{_UNSIGNED_BYTE << 8 | each:08x}" for each in dimensions)
    if not start:
        raise InputError(f"{name}: the file is empty (0 bytes)")
    if len(start) < 4 or start[:2] != b"\0\0" or start[2] != _UNSIGNED_BYTE or start[3] not in dimensions:
        raise InputError(
            f"{name}: not the IDX file expected here: it begins with 0x{start.hex()} (byte offset 0), "
            f"and unsigned bytes of {' or '.join(map(str, dimensions))} dimensions begin with {kinds}"
        )
    sizes = file.read(4 * start[3])
    if len(sizes) < 4 * start[3]:
        raise InputError(
            f"{name}: cut off in the header: {4 + 4 * start[3]} bytes expected, {4 + len(sizes)} found"
        )
    shape = tuple(int.from_bytes(sizes[at : at + 4], "big") for at in range(0, len(sizes), 4))
    if 0 in shape:
        raise InputError(
            f"{name}: the file holds no values: its dimensions are {' x '.join(map(str, shape))}"
        )
    return shape, 4 + len(sizes) + math.prod(shape)


def _wrong_size(name: str, shape: tuple[int, ...], expected: int, found: int) -> InputError:
    how = "cut off" if found < expected else "longer than its header says"
    return InputError(
        f"{name}: {how}: {expected:,} bytes expected for {' x '.join(map(str, shape))} values, "
        f"{found:,} found; get the file again"
    )
