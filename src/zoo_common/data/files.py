"""Reading a user's files, and writing our own, with errors that say whose turn it is."""

from __future__ import annotations

import errno
import os
import secrets
from pathlib import Path

from zoo_spec.errors import EnvironmentFault, InputError


def existing_file(path: str | Path) -> Path:
    """The path of a file that is there and not empty; raises InputError otherwise."""
    found = Path(path)
    if found.is_dir():
        raise InputError(f"{path}: is a directory, and a file is expected; name the files in it")
    if not found.exists():
        raise InputError(
            f"{path}: there is no such file (paths are relative to the working directory, {Path.cwd()})"
        )
    try:
        size = found.stat().st_size
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    if found.is_file() and size == 0:
        raise InputError(f"{path}: the file is empty (0 bytes)")
    return found


def read_bytes(path: str | Path) -> bytes:
    """The bytes of a file; raises InputError if it is missing, a directory, empty or unreadable."""
    try:
        return existing_file(path).read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file so that it is there whole or not at all: a temporary file, flushed, then renamed.

    Raises EnvironmentFault when the disk is full or the place cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        if error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)):
            raise EnvironmentFault(
                f"{path}: the disk is full ({len(data):,} bytes to write); free some, or choose another place"
            ) from error
        raise EnvironmentFault(f"{path}: cannot be written: {error.strerror}") from error
