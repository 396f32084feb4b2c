"""Files that may be packed, opened to be read at any place: gzip, Zstandard, xz and bzip2, by their content."""

from __future__ import annotations

import bz2
import errno
import hashlib
import lzma
import os
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import IO, BinaryIO, Protocol

from filelock import FileLock

from zoo_common.data.files import decoded
from zoo_common.files import explained
from zoo_spec.data.limits import ReadLimits, TextLimits
from zoo_spec.errors import EnvironmentFault
from zoo_spec.importing import require_extra
from zoo_spec.reading import Name, UnreadableFileError, open_file, reading

_PART = 1 << 12
"""Bytes unpacked at a time: of any of these formats, no more than some hundred million come out of so many."""
_HEAD = 10
_XZ_MEMORY = 1 << 30
_LONG_WINDOW = 1 << 31
"""Bytes: the longest that ``zstd --ultra --long=31`` writes, as some shards have it."""


_PREFIX = "zoo-unpacked-"
_RACY = 2_000_000_000
"""Nanoseconds: a file that is younger may change once more without another time, on a coarse clock."""
_FOLDER: ContextVar[Path | None] = ContextVar("unpacked_in", default=None)


@contextmanager
def unpacked_in(folder: Path | None) -> Iterator[None]:
    """What is unpacked in here stays in ``folder``, so that it is not unpacked another time; None: it does not."""
    token = _FOLDER.set(folder)
    try:
        yield
    finally:
        _FOLDER.reset(token)


class _Unpacker(Protocol):
    """A member of a packed file, as all four libraries have it."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, /) -> bytes: ...


def open_unpacked(path: Name, limits: ReadLimits, *, zlib_too: bool = False) -> BinaryIO:
    """A file to be read at any place, unpacked where it is packed; its name does not matter.

    What is packed, in any number of members (gzip) or frames (Zstandard), is unpacked to a temporary file, which
    goes when the file is closed, or to where ``unpacked_in`` says. ``zlib_too`` is for formats that zlib alone packs:
    what begins so may be plain text as well. Raises UnreadableFileError for a file that is missing, empty, longer
    than ``limits.file_bytes``, unpacks to more than ``limits.unpacked_bytes``, ends too early or is damaged;
    EnvironmentFault where there is no room for it.
    """
    file = open_file(path)
    try:
        with reading(path):
            size = os.fstat(file.fileno()).st_size
            if not size:
                raise UnreadableFileError(path, "the file is empty (0 bytes)")
            if size > limits.file_bytes:
                raise UnreadableFileError(
                    path,
                    f"is {size:,} bytes long, and {limits.file_bytes:,} are the most; {limits.remedy('file_bytes')}",
                )
            head = file.read(_HEAD)
            file.seek(0)
        begin = _unpacker(head) or (zlib.decompressobj if zlib_too and _is_zlib(head) else None)
        if begin is None:
            return file
        with file:
            folder = _FOLDER.get()
            if folder is None:
                return _unpacked(path, file, begin, limits, tempfile.TemporaryFile(prefix=_PREFIX))
            return _kept(path, file, begin, limits, folder)
    except BaseException:
        file.close()
        raise


def read_text(path: str | Path, limits: TextLimits) -> str:
    """A file of text, packed or not, no line too long, without a byte order mark; its line ends are ``\\n``.

    Raises InputError, too, where it is longer than ``limits.document_bytes``, or not UTF-8, naming the byte's offset
    and line.
    """
    most, whole, parts, length = limits.line_bytes, limits.document_bytes, [], 0
    with closing(open_unpacked(path, limits)) as file, reading(path):
        for number, line in enumerate(iter(lambda: file.readline(most + 1), b""), start=1):
            if len(line) > most:
                raise UnreadableFileError(
                    path, f"line {number} is longer than {most:,} bytes; {limits.remedy('line_bytes')}"
                )
            parts.append(line)
            length += len(line)
            if length > whole:
                raise UnreadableFileError(
                    path,
                    f"is longer than {whole:,} bytes, and is read as a whole; {limits.remedy('document_bytes')}",
                )
    # Only these three end a line: str.splitlines would also break at form feeds and Unicode separators.
    return (
        decoded(b"".join(parts), path, "convert the file to UTF-8").replace("\r\n", "\n").replace("\r", "\n")
    )


def _unpacker(head: bytes) -> Callable[[], _Unpacker] | None:
    """What begins a member of the format that a file begins like; None for what is not packed."""
    if head.startswith(b"\x1f\x8b\x08"):
        return lambda: zlib.decompressobj(wbits=31)
    if head.startswith(b"\xfd7zXZ\x00"):
        return lambda: lzma.LZMADecompressor(memlimit=_XZ_MEMORY)
    if head[:3] == b"BZh" and head[4:10] in (b"1AY&SY", b"\x17rE8P\x90"):
        return bz2.BZ2Decompressor
    is_skippable = head[1:4] == b"\x2a\x4d\x18" and head[0] >> 4 == 5
    if head.startswith(b"\x28\xb5\x2f\xfd") or is_skippable:
        return _zstandard
    return None


def _is_zlib(head: bytes) -> bool:
    """Deflated, its window in the first byte, both bytes a multiple of 31 (RFC 1950)."""
    return len(head) > 1 and head[0] & 0x8F == 8 and int.from_bytes(head[:2], "big") % 31 == 0


def _zstandard() -> _Unpacker:
    require_extra("zstandard", library="zstandard", extra="text", what="a file packed by Zstandard (.zst)")
    import zstandard

    return zstandard.ZstdDecompressor(max_window_size=_LONG_WINDOW).decompressobj()


def _kept(
    path: Name, file: BinaryIO, begin: Callable[[], _Unpacker], limits: ReadLimits, folder: Path
) -> BinaryIO:
    """Unpacked to ``folder``, unless it is there already, of a file of this size and time; an older one goes."""
    status = os.fstat(file.fileno())
    if time.time_ns() - status.st_mtime_ns < _RACY:
        return _unpacked(path, file, begin, limits, tempfile.TemporaryFile(prefix=_PREFIX))
    whose = hashlib.sha256(os.fsencode(os.path.realpath(path))).hexdigest()[:16]
    begins = f"{whose}_{status.st_size}_{status.st_mtime_ns}_"
    with explained("write", folder):
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / f".{whose}.lock"):
            for there in folder.glob(f"{whose}_*"):
                # The name ends with its own size.
                if there.name == f"{begins}{there.stat().st_size}":
                    return there.open("rb")
                there.unlink()
            partial = folder / f".{whose}.partial"
            try:
                with _unpacked(path, file, begin, limits, partial.open("w+b")) as found:
                    size = os.fstat(found.fileno()).st_size
            except BaseException:
                partial.unlink()
                raise
            os.replace(partial, folder / f"{begins}{size}")
            return (folder / f"{begins}{size}").open("rb")


def _unpacked(
    path: Name, file: BinaryIO, begin: Callable[[], _Unpacker], limits: ReadLimits, found: BinaryIO
) -> BinaryIO:
    try:
        with reading(path):
            member, size = begin(), 0
            while data := file.read(_PART):
                while data:
                    if member.eof:
                        member = begin()
                    part = member.decompress(data)
                    # Zeros may fill up a file to the size of a block.
                    data = member.unused_data.lstrip(b"\0") if member.eof else b""
                    size += len(part)
                    if size > limits.unpacked_bytes:
                        raise UnreadableFileError(
                            path,
                            f"unpacks to more than {limits.unpacked_bytes:,} bytes, which are the most; "
                            f"{limits.remedy('unpacked_bytes')}",
                        )
                    keep(part, found)
            if not member.eof:
                raise UnreadableFileError(path, "ends too early: a part of it is missing; get the file again")
            if not size:
                raise UnreadableFileError(path, "unpacks to nothing (0 bytes)")
            keep(b"", found)
        found.seek(0)
        return found
    except BaseException:
        found.close()
        raise


def keep(part: bytes, file: IO[bytes]) -> None:
    """Write a part of a temporary file, what is left where it is empty; EnvironmentFault for want of room."""
    try:
        if part:
            file.write(part)
        else:
            file.flush()
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        is_kept = isinstance(file.name, str | Path) and str(file.name).endswith(".partial")
        place = os.path.dirname(file.name) if is_kept else tempfile.gettempdir()
        remedy = "give the run another directory" if is_kept else "set TMPDIR to another place"
        raise EnvironmentFault(
            f"{place}: there is no room to unpack a file to; make some, or {remedy}"
        ) from error
