"""Progress of work on data: a bar on a terminal, a logged line every few seconds elsewhere; on standard error."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn

from zoo_common.files import megabytes
from zoo_common.log import LOG, is_on_console
from zoo_common.screen import rich_console

_FIRST, _EVERY = 2.0, 5.0
"""Seconds until the first line, so that what is done in a moment tells nothing, and between two."""


class Work:
    """How far a piece of work is; use it in a ``with`` statement, from one thread.

    Shown only where the log goes to standard error, as it does for the commands that may take long.
    """

    def __init__(
        self,
        title: str,
        total: int | None,
        unit: str = "",
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``total`` in whatever ``advance`` counts by, None where nobody knows; ``unit`` "bytes" is told as MB."""
        self.title, self.total, self.unit = title, total, unit
        self.done = 0
        self._clock = clock
        self._began = self._told = clock()
        self._has_told = False
        self._bar: Progress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        console = rich_console(sys.stderr)
        if console.is_terminal and is_on_console():
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                TaskProgressColumn(),
                TextColumn("{task.fields[state]}"),
                TimeRemainingColumn(),
                console=console,
                transient=True,
            )
            self._task = self._bar.add_task(self.title, total=self.total, state="")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
        if kind is None and self._has_told:
            self._log(f"{self._count(self.done)} done in {self._clock() - self._began:.0f} s")

    def advance(self, count: int) -> None:
        """So much more is done."""
        self.done += count
        now = self._clock()
        if now - self._began < _FIRST:
            return
        if self._bar is not None and self._task is not None:
            if not self._has_told:
                self._has_told = True
                self._bar.start()
            self._bar.update(self._task, completed=self.done, state=self._count(self.done))
        elif not self._has_told or now - self._told >= _EVERY:
            self._has_told, self._told = True, now
            self._log(self._so_far(now))

    def _so_far(self, now: float) -> str:
        if not self.total:
            return self._count(self.done)
        left = (now - self._began) * (self.total - self.done) / max(self.done, 1)
        return f"{self._count(self.done)} of {self._count(self.total)}, about {max(left, 0):.0f} s left"

    def _count(self, number: int) -> str:
        return megabytes(number) if self.unit == "bytes" else f"{number:,} {self.unit}".rstrip()

    def _log(self, text: str) -> None:
        LOG.info(f"{self.title}: {text}")
