"""MNIST's file format (LeCun et al., http://yann.lecun.com/exdb/mnist), gzip or not.

Two zero bytes, a type byte (0x08, unsigned byte), the number of dimensions, then each dimension as a 32-bit
big-endian integer, then the values in row-major order.
"""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zoo_common.data.files import read_bytes
from zoo_spec.errors import InputError

_GZIP = b"\x1f\x8b"
_UNSIGNED_BYTE = 0x08


def read_idx(path: str | Path, dimensions: tuple[int, ...]) -> NDArray[np.uint8]:
    """The array of an IDX file that has one of these numbers of ``dimensions``.

    Raises InputError for a file that is missing, empty, of another format, or shorter or longer than it says.
    """
    data = read_bytes(path)
    if data.startswith(_GZIP):
        data = _unzip(data, path)
    kinds = " or ".join(f"0x{_UNSIGNED_BYTE << 8 | each:08x}" for each in dimensions)
    if len(data) < 4 or data[:2] != b"\0\0" or data[2] != _UNSIGNED_BYTE or data[3] not in dimensions:
        raise InputError(
            f"{path}: not the IDX file expected here: it begins with 0x{data[:4].hex()} (byte offset 0), "
            f"and unsigned bytes of {' or '.join(map(str, dimensions))} dimensions begin with {kinds}"
        )
    header = 4 + 4 * data[3]
    if len(data) < header:
        raise InputError(f"{path}: cut off in the header: {header} bytes expected, {len(data)} found")
    shape = tuple(int.from_bytes(data[at : at + 4], "big") for at in range(4, header, 4))
    expected = header + math.prod(shape)
    if len(data) != expected:
        how = "cut off" if len(data) < expected else "longer than its header says"
        raise InputError(
            f"{path}: {how}: {expected:,} bytes expected for {' x '.join(map(str, shape))} values, "
            f"{len(data):,} found; get the file again"
        )
    if expected == header:
        raise InputError(
            f"{path}: the file holds no values: its dimensions are {' x '.join(map(str, shape))}"
        )
    return np.frombuffer(data, np.uint8, offset=header).reshape(shape)


def _unzip(data: bytes, path: str | Path) -> bytes:
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(
            f"{path}: the gzip file of {len(data):,} bytes is corrupt ({error}); get the file again"
        ) from None
