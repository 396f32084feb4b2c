"""Disks that refuse: a file-size limit, and directories that may not be written, for root too."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from pathlib import Path

_OVERRIDES = 1 << 1 | 1 << 2 | 1 << 3  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER (capabilities(7))
_VERSION_3 = 0x20080522


@contextlib.contextmanager
def little_room(limit):
    """No file grows beyond ``limit`` bytes; what is longer already stays."""
    import resource  # Not on Windows.

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextlib.contextmanager
def read_only(*directories: Path):
    """Directories in which nothing is made, renamed or removed, even by root."""
    with _heeding_permissions():
        for directory in directories:
            directory.chmod(0o555)
        try:
            yield
        finally:
            for directory in directories:
                directory.chmod(0o755)


@contextlib.contextmanager
def _heeding_permissions():
    """Give up, in this thread and for a while, what lets root pass over permissions."""
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        yield
        return
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(_VERSION_3, 0)
    held = (ctypes.c_uint32 * 6)()  # Twice: effective, permitted, inheritable.
    fewer = (ctypes.c_uint32 * 6)()
    assert libc.capget(header, held) == 0, os.strerror(ctypes.get_errno())
    fewer[:] = held[:]
    fewer[0] &= ~_OVERRIDES
    assert libc.capset(header, fewer) == 0, os.strerror(ctypes.get_errno())
    try:
        yield
    finally:
        assert libc.capset(header, held) == 0, os.strerror(ctypes.get_errno())
