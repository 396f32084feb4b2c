"""Files that are whole or absent, and operating-system errors in words that say what to do."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import secrets
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from zoo_spec.errors import EnvironmentFault, InputError, ZooError

if sys.platform == "darwin":
    import fcntl
if sys.platform != "win32":
    import resource

_OTHER_FILES = 512
"""Files that a process may have open beside those of one checkpoint."""
_PARTIAL = re.compile(r"\..+\.[0-9a-f]{8}\.partial")
_WRONG_PATH = {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG, errno.ELOOP}
_NO_ROOM = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}
_NO_PERMISSION = {errno.EACCES, errno.EPERM, errno.EROFS}


def write_atomically(path: Path, content: bytes | str) -> None:
    """Give ``path`` this content; a crash at any moment leaves the old file or the new, never a mixture.

    Text is written as UTF-8 with its line ends as they are. On return the content is on the disk. Raises
    InputError if the path cannot be one, EnvironmentFault if the machine refuses (full, read-only).
    """
    data = content.encode("utf-8") if isinstance(content, str) else content
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    with explained("write", path, needed=len(data)):
        try:
            with partial.open("wb") as file:
                file.write(data)
                file.flush()
                fsync_file(file.fileno())
            os.replace(partial, path)
            fsync_directory(path.parent)
        except BaseException:
            with suppress(OSError):
                partial.unlink()
            raise


def is_partial(name: str) -> bool:
    """Whether ``write_atomically`` was writing this file; nobody has it by that name once it is whole."""
    return _PARTIAL.fullmatch(name) is not None


def fsync_file(descriptor: int) -> None:
    """Return once an open file's content is on the disk."""
    if sys.platform == "darwin":
        # On macOS fsync leaves the data in the drive's own cache; some volumes lack the other call.
        with suppress(OSError):
            fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
            return
    os.fsync(descriptor)


def fsync_directory(path: Path) -> None:
    """Return once a directory's names are on the disk, where the platform and the file system can tell."""
    if os.name == "nt":  # Windows opens no directory for this; NTFS journals its names.
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # Some network file systems have no such call.
            raise
    finally:
        os.close(descriptor)


def allow_open_files(count: int) -> None:
    """Have room for so many open files and a few hundred more, as far as the system lets this process."""
    if sys.platform != "win32":  # Windows has no such limit to raise.
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = count + _OTHER_FILES
        if soft != resource.RLIM_INFINITY and soft < wanted:
            most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
            with suppress(OSError, ValueError):
                resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))


def sha256_of(file: BinaryIO) -> str:
    """SHA-256, in hexadecimal, of what is left of an open file."""
    return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]  # A BinaryIO is one.


def free_bytes(path: Path) -> int:
    """Room left, for this user, on the file system where ``path`` is or would be."""
    while not path.exists() and path != path.parent:
        path = path.parent
    return shutil.disk_usage(path).free


def megabytes(count: int) -> str:
    """A number of bytes as people read it."""
    return f"{count / 1e6:,.1f} MB" if count >= 100_000 else f"{count:,} bytes"


@contextmanager
def explained(doing: str, path: Path, needed: int | None = None) -> Iterator[None]:
    """Turn any OSError inside into the error that ``explain`` makes of it."""
    try:
        yield
    except OSError as error:
        raise explain(error, doing, path, needed) from error


def explain(error: OSError, doing: str, path: Path, needed: int | None = None) -> ZooError:
    """Say an operating-system error in the user's words: InputError for a wrong path, else EnvironmentFault.

    ``doing`` is a verb ("write"), ``needed`` the bytes that the operation wanted to store.
    """
    place = Path(os.fsdecode(error.filename)) if isinstance(error.filename, str | bytes) else path
    reason = error.strerror or str(error)
    what = f"cannot {doing} {path}: {reason}" + (f" ({place})" if place != path else "")
    if error.errno in _WRONG_PATH:
        return InputError(f"{what}; give another path")
    if error.errno in _NO_ROOM:
        wanted = f"{megabytes(needed)} needed, " if needed is not None else ""
        with suppress(OSError):
            wanted += f"{megabytes(free_bytes(path))} free on the disk"
        limits = "free some room (or raise the quota or file-size limit), or give a path on another disk"
        return EnvironmentFault(f"{what}: {wanted}; {limits}")
    if error.errno in _NO_PERMISSION:
        return EnvironmentFault(f"{what}; make it accessible to this user, or give another path")
    return EnvironmentFault(f"{what}; check the disk")
