"""What is to be predicted, line by line: arguments, a file, or standard input."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from zoo_common.data.files import existing_file
from zoo_common.files import explained

LONGEST = 1 << 20
"""Bytes of a line; a longer one is no text that a model takes, and might be all of a machine's memory."""
_TOO_LONG = f"the line is longer than {LONGEST:,} bytes; break it up"
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


def read_lines(file: Path | BinaryIO, name: str) -> Iterator[Line]:
    """The lines of a text file in UTF-8, one at a time; blank ones are passed over.

    A line that is not UTF-8 or too long has that as its problem. Raises InputError for a file that is missing
    or empty.
    """
    with ExitStack() as stack:
        if isinstance(file, Path):
            existing_file(file)
            with explained("read", file):
                file = stack.enter_context(file.open("rb"))
        number = 0
        while data := file.readline(LONGEST):
            number += 1
            is_whole = len(data) < LONGEST or data.endswith(b"\n")
            while not is_whole and not (more := file.readline(LONGEST)).endswith(b"\n") and more:
                pass
            line = _line(data.removeprefix(_MARK) if number == 1 else data, number, f"{name}:{number}")
            if not is_whole:
                yield replace(line, text=line.text[:80], problem=f"{line.source}: {_TOO_LONG}")
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
