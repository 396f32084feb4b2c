"""SIGTERM: what a cluster sends before it takes the machine away. A run saves, and ends at the next step."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import TypeVar

from zoo_spec.errors import ZooError

T = TypeVar("T")


class TerminatedError(ZooError):
    """The run was asked to end, and saved what it had (exit status 143: 128 and SIGTERM's number)."""

    exit_status = 143


class StopRequest:
    """Whether somebody asked the process to end."""

    def __init__(self) -> None:
        self.is_made = False
        self._breaks_off = False

    def note(self, number: int, frame: FrameType | None) -> None:
        """The signal's handler: notes it, for a step may be halfway; what ``unless_made`` does, it breaks off."""
        self.is_made = True
        if self._breaks_off:
            self._breaks_off = False
            raise _BrokenOff

    def unless_made(self, work: Callable[[], T]) -> T | None:
        """What ``work`` returns; None if the request was made before it or breaks it off."""
        try:
            try:
                self._breaks_off = True  # Before the question, so that no signal falls between the two.
                return None if self.is_made else work()
            finally:
                self._breaks_off = False
        except _BrokenOff:
            return None


class _BrokenOff(BaseException):
    """Leads from the signal's handler out of the work, past what catches every Exception."""


@contextlib.contextmanager
def noting_sigterm() -> Iterator[StopRequest]:
    """Take SIGTERM as a request while the block runs, and give the signal back after it.

    Python handles signals in the main thread alone, so elsewhere the request is never made. A second SIGTERM
    changes nothing; SIGKILL, which always works, loses what came after the last checkpoint.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    before = signal.signal(signal.SIGTERM, request.note)
    try:
        yield request
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL if before is None else before)
