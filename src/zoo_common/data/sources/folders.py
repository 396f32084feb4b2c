"""The pictures below a folder, by their relative paths in the order of their bytes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from zoo_common.data.sources.pictures import SUFFIXES
from zoo_spec.errors import InputError
from zoo_spec.reading import printable, reading

_DEEPEST = 16


def folder(path: str | Path) -> Path:
    """A folder that is there; raises InputError otherwise."""
    found = Path(path)
    if not found.is_dir():
        what = "is a file, and a folder is expected" if found.exists() else "there is no such directory"
        raise InputError(
            f"{printable(path)}: {what} (paths are relative to the working directory, {Path.cwd()})"
        )
    return found


def subfolders(path: Path) -> list[str]:
    """The names of the folders in one, in the order of their bytes; hidden ones are passed over."""
    with reading(path), os.scandir(path) as entries:
        return sorted(
            (each.name for each in entries if each.is_dir() and each.name[0] != "."), key=os.fsencode
        )


def pictures_in(path: Path, *, deep: bool = True) -> list[str]:
    """The pictures in a folder, and below it, relative to it; hidden files and folders are passed over."""
    return sorted(_found(path, "", _DEEPEST if deep else 0), key=os.fsencode)


def _found(path: Path, below: str, deeper: int) -> Iterator[str]:
    with reading(path), os.scandir(path / below) as opened:
        entries = list(opened)
    for entry in entries:
        name = f"{below}{entry.name}"
        if entry.name[0] == ".":
            continue
        if entry.is_dir(follow_symlinks=False):
            if deeper:
                yield from _found(path, f"{name}/", deeper - 1)
        elif os.path.splitext(entry.name)[1].lower() in SUFFIXES:
            yield name
