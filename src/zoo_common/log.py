"""Where the log goes: lines for people on standard error, the same with times in the run's own file."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Iterator
from pathlib import Path

from zoo_common.files import explain, explained

LOG = logging.getLogger("zoo")
"""What every part of Zoo logs to; a user's own handlers see it too."""


class _Console(logging.Handler):
    """Writes to whatever standard error is at the time, which a live bar replaces while it runs."""

    def emit(self, record: logging.LogRecord) -> None:
        print(self.format(record), file=sys.stderr, flush=True)


class _File(logging.FileHandler):
    """Fails as every other file of a run does, where the library would print a traceback and go on."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            super().handleError(record)
            return
        raise explain(error, "write", Path(self.baseFilename)) from error

    def close(self) -> None:
        with contextlib.suppress(OSError):  # What could not be written was an error when it was logged.
            super().close()


def is_on_console() -> bool:
    """Whether the log goes to standard error just now."""
    return any(isinstance(handler, _Console) for handler in LOG.handlers)


@contextlib.contextmanager
def logging_to(file: Path | None, *, console: bool) -> Iterator[None]:
    """Log to a file, if one is given, and to standard error, if asked for, while the block runs."""
    handlers: list[logging.Handler] = [_Console()] if console else []
    if file is not None:
        with explained("write", file):
            kept = _File(file, encoding="utf-8")
        kept.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        handlers.append(kept)
    if not handlers:
        handlers.append(logging.NullHandler())  # Else the library prints warnings by itself.
    level = LOG.level
    LOG.setLevel(logging.INFO)
    for handler in handlers:
        LOG.addHandler(handler)
    try:
        yield
    finally:
        LOG.setLevel(level)
        for handler in handlers:
            LOG.removeHandler(handler)
            handler.close()
