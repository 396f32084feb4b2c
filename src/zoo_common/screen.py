"""Standard output and error as people see them: whatever text is written, nothing in it steers a terminal."""

from __future__ import annotations

import errno
import io
import os
import re
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.console import Console


_STEERING = re.compile(
    "[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)


def visible(text: str) -> str:
    """The text with escapes for what steers a terminal, breaks XML, or is half of a character; lines stay lines."""
    return _STEERING.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


class Screen(io.TextIOWrapper):
    """A stream beside another on the same buffer, which writes control characters as escapes: ``\\u001b``.

    Inside JSON that means the same. What is no UTF-8, as parts of file names may be, becomes an escape too. Files
    and pipes get UTF-8 whatever the locale.
    """

    def __init__(self, stream: io.TextIOWrapper) -> None:
        encoding = stream.encoding if stream.isatty() else "utf-8"
        stream.reconfigure(encoding=encoding, errors="backslashreplace")
        super().__init__(
            stream.buffer,
            encoding=encoding,
            errors="backslashreplace",
            line_buffering=stream.isatty(),
            write_through=True,
        )
        self.styled = stream
        """The other one, for those who colour text, and have made it visible before."""

    def write(self, text: str) -> int:
        """The length of the text as it was given."""
        super().write(visible(text))
        return len(text)


def console() -> Console:
    """Standard output as wide as the terminal, or as COLUMNS says; 100 columns where neither is known."""
    known = sys.stdout.isatty() or "COLUMNS" in os.environ
    return rich_console(sys.stdout, width=None if known else 100)


def rich_console(stream: TextIO, *, width: int | None = None) -> Console:
    """A console on standard output or error, whose texts are made visible before they are coloured."""
    from rich.console import Console, ConsoleOptions, RenderableType
    from rich.segment import Segment

    class Visible(Console):
        def render(
            self, renderable: RenderableType, options: ConsoleOptions | None = None
        ) -> Iterable[Segment]:
            # What a table renders has come through here already, with each cell and each row.
            for segment in super().render(renderable, options):
                needs = not segment.control and _STEERING.search(segment.text)
                yield segment._replace(text=visible(segment.text)) if needs else segment

        def on_broken_pipe(self) -> None:
            """Leave it to the command, which rich would end with status 1."""
            raise BrokenPipeError(errno.EPIPE, "nobody reads on")

    file = stream.styled if isinstance(stream, Screen) else stream
    return Visible(file=file, width=width, highlight=False, markup=False, emoji=False, soft_wrap=False)
