"""What is to be predicted, line by line: arguments, a file, or standard input."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from zoo_common.data.files import existing_file
from zoo_spec.data.limits import TextLimits
from zoo_spec.errors import InputError
from zoo_spec.reading import open_file, reading

_MARK = b"\xef\xbb\xbf"
"""What some editors begin a file with."""


@dataclass(frozen=True)
class Line:
    """One input as the user gave it: a text, or the path of a file of images.

    ``number`` counts from 1, blank lines included; ``source`` is what a message calls it; ``problem`` is what
    is wrong with the line itself.
    """

    number: int
    text: str
    source: str
    problem: str = ""


def lines_of(texts: Iterable[str]) -> Iterator[Line]:
    """Inputs that are there as texts, such as a command's arguments."""
    for number, text in enumerate(texts, start=1):
        yield Line(number, text, f"input {number}")


def in_folders(paths: Iterable[str], endings: tuple[str, ...]) -> Iterator[str]:
    """The paths, with the files that have such endings in the place of a folder: all below it, in the order of names.

    Raises InputError for a folder without any.
    """
    for path in paths:
        if not os.path.isdir(path):
            yield path
            continue
        found = sorted(
            os.path.join(folder, name)
            for folder, _, names in os.walk(path)
            for name in names
            if name.lower().endswith(endings)
        )
        if not found:
            raise InputError(f"{path}: has no file of {', '.join(endings)} in it, nor below it")
        yield from found


def read_lines(file: Path | BinaryIO, name: str, limits: TextLimits | None = None) -> Iterator[Line]:
    """The lines of a text file in UTF-8, one at a time; blank ones are passed over.

    A line that is not UTF-8 or too long has that as its problem, and no more of it is held than ``limits`` let in.
    Raises InputError for a file that is missing, empty, or no regular file.
    """
    limits = limits or TextLimits()
    longest = limits.line_bytes
    with ExitStack() as stack:
        if isinstance(file, Path):
            file = stack.enter_context(open_file(existing_file(file)))
        stack.enter_context(reading(name))
        number = 0
        while data := file.readline(longest + 1):
            number += 1
            is_whole = len(data) <= longest or data.endswith(b"\n")
            while not is_whole and not (more := file.readline(longest)).endswith(b"\n") and more:
                pass
            line = _line(data.removeprefix(_MARK) if number == 1 else data, number, f"{name}:{number}")
            if not is_whole:
                problem = f"{line.source}: the line is longer than {longest:,} bytes; break it up, or "
                yield replace(line, text=line.text[:80], problem=problem + limits.remedy("line_bytes"))
            elif line.text.strip():
                yield line


def _line(data: bytes, number: int, source: str) -> Line:
    text = data.decode("utf-8", errors="replace").removesuffix("\n").removesuffix("\r")
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        found = f"byte 0x{data[error.start]:02x} at byte {error.start} of the line"
        return Line(number, text, source, f"{source}: not UTF-8: {found}; convert the text to UTF-8")
    return Line(number, text, source)
