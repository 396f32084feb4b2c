"""How fast this machine is: its disk where files will lie, past the page cache, and its matrix products."""

from __future__ import annotations

import mmap
import os
import secrets
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zoo_common.files import explained, fsync_file

if sys.platform == "darwin":
    import fcntl

_BLOCK = 8 << 20
_MOST = 1 << 30
"""Bytes that are tried at most."""
_SECONDS = 0.4
"""For writing, for reading and for products, each."""
_WIDTH = 1024
"""Of the matrices that are multiplied: large enough for their products to be all that counts."""


@dataclass(frozen=True)
class DiskSpeed:
    """Bytes a second."""

    read: float
    written: float


def disk_speed(folder: Path, *, most: int = _MOST) -> DiskSpeed:
    """Speed of large files in a folder, or in the nearest one around it that is there; it takes a second.

    Nothing of it comes from the page cache, where the platform has a way round that: a file is written and read as a
    disk takes it, or is on it before it is read. At most ``most`` bytes are written, and are gone afterwards. Raises
    EnvironmentFault where the folder takes no file.
    """
    folder = existing(folder)
    path = folder / f".speed.{secrets.token_hex(4)}.partial"
    with explained("write", path, needed=_BLOCK), _uncached(path) as file, mmap.mmap(-1, _BLOCK) as block:
        block.write(os.urandom(_BLOCK))  # What compresses a disk may write faster than weights.
        size, began = 0, time.perf_counter()
        while size == 0 or (size < most and time.perf_counter() - began < _SECONDS):
            size += os.write(file, block)
        fsync_file(file)
        written = size / (time.perf_counter() - began)
        if sys.platform == "linux":
            os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
        os.lseek(file, 0, os.SEEK_SET)
        got, began = 0, time.perf_counter()
        while got < size and (got == 0 or time.perf_counter() - began < _SECONDS):
            got += _read(file, block)
        return DiskSpeed(got / (time.perf_counter() - began), written)


def product_speed(dtype: str = "float32") -> float:
    """FLOPs a second of NumPy's matrix products in a dtype of its own; it takes half a second."""
    one = np.ones((_WIDTH, _WIDTH), dtype)
    out = one @ one  # The library makes its threads.
    products, began = 0, time.perf_counter()
    while products == 0 or time.perf_counter() - began < _SECONDS:
        np.matmul(one, one, out=out)
        products += 1
    return products * 2 * _WIDTH**3 / (time.perf_counter() - began)


def existing(folder: Path) -> Path:
    """The folder, or the nearest one around it that is there."""
    folder = folder.absolute()
    return next(each for each in (folder, *folder.parents) if each.is_dir())


def free_bytes(folder: Path) -> int:
    """What is free on the disk on which a folder is, or will be. Raises EnvironmentFault where none can tell."""
    place = existing(folder)
    with explained("read", place):
        return shutil.disk_usage(place).free


@contextmanager
def _uncached(path: Path) -> Iterator[int]:
    """A new file, past the page cache where that can be, which goes again."""
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    try:
        file = _opened(path, flags)
        try:
            yield file
        finally:
            os.close(file)
    finally:
        with suppress(OSError):
            path.unlink()


def _opened(path: Path, flags: int) -> int:
    if sys.platform == "linux":
        with suppress(OSError):  # Some file systems have no such thing.
            return os.open(path, flags | os.O_DIRECT, 0o600)
        with suppress(OSError):
            path.unlink()
    file = os.open(path, flags, 0o600)
    if sys.platform == "darwin":
        fcntl.fcntl(file, fcntl.F_NOCACHE, 1)
    return file


def _read(file: int, block: mmap.mmap) -> int:
    if hasattr(os, "readv"):
        return os.readv(file, [block])
    return len(os.read(file, len(block)))
