"""A user's data files, through the one door (``zoo_spec.reading``): there, not empty, no longer than the limits."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable
from pathlib import Path

from zoo_spec.data.limits import TextLimits
from zoo_spec.reading import UnreadableFileError, open_file, read_file

_MARK = "\ufeff"
"""What some editors begin a file with."""


def existing_file(path: str | Path) -> Path:
    """The path of a file that is there and not empty; raises InputError otherwise."""
    with open_file(path) as file:
        if os.fstat(file.fileno()).st_size == 0:
            raise _empty(path)
    return Path(path)


def expanded(paths: Iterable[str]) -> tuple[str, ...]:
    """The files that paths name, in their order; those of a pattern (``*``, ``?``, ``[…]``, ``**``) sorted.

    A path that is one of a file is that file, whatever signs it has. Raises InputError for a pattern that no file
    matches.
    """
    found: list[str] = []
    for path in paths:
        if not glob.has_magic(path) or os.path.lexists(path):
            found.append(path)
            continue
        matching = sorted(name for name in glob.iglob(path, recursive=True) if os.path.isfile(name))
        if not matching:
            raise UnreadableFileError(path, "no file matches this pattern; name one, or another pattern")
        found += matching
    return tuple(found)


def read_vocabulary_bytes(path: str | Path, limits: TextLimits) -> bytes:
    """The bytes of a file of a vocabulary, a hundred for each token that it may have at most."""
    most = limits.vocabulary_tokens
    return _whole(
        path, 100 * most, f"for a vocabulary of {most:,} tokens at most; {limits.remedy('vocabulary_tokens')}"
    )


def decoded(data: bytes, path: str | Path, remedy: str) -> str:
    """UTF-8 as text, without a mark at its beginning; raises InputError for what is no UTF-8."""
    try:
        return data.decode("utf-8").removeprefix(_MARK)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UnreadableFileError(
            path,
            f"not UTF-8: byte 0x{data[error.start]:02x} at byte offset {error.start} (line {line}): "
            f"{error.reason}; {remedy}",
        ) from None


def _whole(path: str | Path, most: int, remedy: str) -> bytes:
    data = read_file(path, most=most, remedy=remedy)
    if not data:
        raise _empty(path)
    return data


def _empty(path: str | Path) -> UnreadableFileError:
    return UnreadableFileError(path, "the file is empty (0 bytes)")
