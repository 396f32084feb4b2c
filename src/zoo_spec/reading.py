"""The one door for whatever is read: files of a known kind and a bounded size, and readers that fail in one line.

It lies this low because the YAML reader needs it too. Every reader takes its bytes by ``read_file`` (or its file by
``open_file``), and lets somebody else's code see them inside ``reading`` only.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from zoo_spec.errors import EnvironmentFault, InputError, ZooError

Name = str | os.PathLike[str]
"""A file's path."""

_MACHINE = {errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM}
_REASONS = {
    errno.ENOENT: "there is no such file",
    errno.ENOTDIR: "there is no such file: a part of its path is no directory",
    errno.EISDIR: "is a directory, and a file is expected; name the files in it",
}
_CHUNK = 1 << 20
_SHOWN = 300


class UnreadableFileError(InputError):
    """A file is not what can be read here; the message is its name, in printable form, and the ``reason``."""

    def __init__(self, file: Name, reason: str) -> None:
        self.file, self.reason = file, reason
        super().__init__(f"{printable(file)}: {reason}")


def read_file(path: Name, *, most: int, remedy: str) -> bytes:
    """The bytes of a regular file of at most ``most``; ``remedy`` says what to do about a longer one.

    Nothing is read of a longer one, and no more than that of one that grows meanwhile. Raises UnreadableFileError
    for what is no regular file, too long, or cannot be opened or read.
    """
    with open_file(path) as file, reading(path):
        size = os.fstat(file.fileno()).st_size
        if size > most:
            raise UnreadableFileError(path, f"is {size:,} bytes long, and {most:,} are the most; {remedy}")
        parts = [file.read(size + 1)]
        found = len(parts[0])
        while found > size and found <= most and (part := file.read(min(_CHUNK, most + 1 - found))):
            parts.append(part)
            found += len(part)
    if found > most:
        raise UnreadableFileError(path, f"has grown beyond {most:,} bytes, which are the most; {remedy}")
    return parts[0] if len(parts) == 1 else b"".join(parts)


def open_file(path: Name) -> BinaryIO:
    """A regular file, opened to be read; raises UnreadableFileError for a pipe, a device or a directory at once.

    Its size is for the caller to bound.
    """
    with reading(path):
        try:
            mode = os.stat(path).st_mode
        except ValueError:  # A NUL, or half of a character: Python does not even ask the system.
            raise UnreadableFileError(path, "no file can have this name; give another") from None
        _check_kind(path, mode)
        # A pipe may have taken the file's place since; without this flag, opening it would wait for a writer.
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        file = os.fdopen(os.open(path, flags), "rb")
        try:
            _check_kind(path, os.fstat(file.fileno()).st_mode)
        except BaseException:
            file.close()
            raise
        return file


@contextmanager
def reading(file: Name, reader: str = "", *, remedy: str = "get the file again") -> Iterator[None]:
    """Turn whatever a reader raises into one line: the file, the ``reader`` that failed, why, and the ``remedy``.

    Whatever: a panic of a library in Rust is no Exception, and nesting, sizes and memory are errors of their own.
    Errors that are raised on purpose pass, as do those that end a process or a generator.
    """
    try:
        yield
    except ZooError:
        raise
    except OSError as error:
        if error.errno in _MACHINE:
            why = printable(error.strerror or str(error))
            raise EnvironmentFault(
                f"{printable(file)}: cannot be read: {why}; check the machine and its disk"
            ) from error
        # A library's own OSError, without a number, says that the file is damaged.
        reason = _reason(error) if error.errno else _damage(error, reader, remedy)
        raise UnreadableFileError(file, reason) from error
    except BaseException as error:
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        raise UnreadableFileError(file, _damage(error, reader, remedy)) from error


def printable(text: Name) -> str:
    """A name or a message as a terminal may show it, on one line: what steers one, or is no UTF-8, is escaped."""
    shown = os.fspath(text)
    if shown.isprintable():
        return shown
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in shown)


def _check_kind(path: Name, mode: int) -> None:
    if stat.S_ISREG(mode):
        return
    if stat.S_ISDIR(mode):
        raise UnreadableFileError(path, _REASONS[errno.EISDIR])
    what = "a pipe" if stat.S_ISFIFO(mode) else "a device" if stat.S_ISCHR(mode) else "no regular file"
    raise UnreadableFileError(
        path, f"is {what}, which may never end; save its content in a file, and name that"
    )


def _reason(error: OSError) -> str:
    reason = _REASONS.get(error.errno or 0) or f"cannot be read: {printable(error.strerror or str(error))}"
    if error.errno != errno.ENOENT:
        return reason
    try:
        return f"{reason} (paths are relative to the working directory, {printable(os.getcwd())})"
    except OSError:  # The working directory itself has been removed.
        return f"{reason}, nor a working directory that paths could be relative to"


def _damage(error: BaseException, reader: str, remedy: str) -> str:
    if isinstance(error, MemoryError):
        why = "asks for more memory than there is"
    elif isinstance(error, RecursionError):
        why = "is nested too deeply"
    else:
        why = printable(str(error).strip().partition("\n")[0][:_SHOWN]) or type(error).__name__
    return f"cannot be read{f' by {reader}' if reader else ''}: {why}; {remedy}"
