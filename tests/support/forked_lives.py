"""Lives of ``slow_zoo`` that are forked from a process which has the imports done, so that each begins at once.

``ZOO_FORKED_FRAMEWORKS`` in the environment says whose, if of more than the first life; the process that forks
computes nothing, so it has no threads.
"""

from __future__ import annotations

import atexit
import multiprocessing
import os
import sys
from importlib import import_module
from io import TextIOWrapper
from pathlib import Path
from types import TracebackType
from unittest.mock import patch

import slow_zoo

NAME = "ZOO_FORKED_FRAMEWORKS"
for framework in os.environ.get(NAME, "").split():
    for module in ("backend", "streaming", "training"):
        import_module(f"zoo_{framework}.{module}")


class Forked:
    """One life, with what of ``subprocess.Popen`` a chain of kills asks for."""

    def __init__(self, arguments: list[str], delay: float) -> None:
        framework = arguments[arguments.index("--framework") + 1]
        path = os.pathsep.join(path for path in sys.path if path)
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([Path(__file__).stem])
        (out, to_out), (self._errors, to_errors) = context.Pipe(False), context.Pipe(False)
        self._process = context.Process(target=live, args=(arguments, delay, to_out, to_errors))
        with patch.dict(os.environ, {NAME: os.environ.get(NAME, framework), "PYTHONPATH": path}):
            self._process.start()
        for each in (to_out, to_errors):
            each.close()
        self.stdout, self.stderr = (os.fdopen(os.dup(each.fileno()), "r") for each in (out, self._errors))
        self.kill = self._process.kill

    @property
    def returncode(self) -> int | None:
        """The exit status; None while it lives."""
        return self._process.exitcode

    def poll(self) -> int | None:
        """The same."""
        return self._process.exitcode

    def wait(self) -> int | None:
        """Its exit status, once it has one."""
        self._process.join()
        return self._process.exitcode

    def communicate(self) -> tuple[str, str]:
        """All that it says."""
        said = self.stdout.read(), self.stderr.read()
        self.wait()
        return said

    def __enter__(self) -> Forked:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.wait()
        for each in (self.stdout, self.stderr):
            assert isinstance(each, TextIOWrapper)
            each.close()


def live(arguments: list[str], delay: float, *to: object) -> None:
    """What the child does."""
    for descriptor, each in enumerate(to, 1):
        os.dup2(each.fileno(), descriptor)
        each.close()
    for name, descriptor in (("stdout", 1), ("stderr", 2)):  # The server's own are of another place.
        setattr(sys, name, os.fdopen(descriptor, "w"))
    sys.argv = ["slow_zoo.py", str(delay), *arguments]
    try:
        slow_zoo.main()
    finally:
        # As every process does but a forked one. A run's working files are tidied then at the latest: torch's first
        # optimizer imports modules of which one keeps the frames that called, and with them the model.
        atexit._run_exitfuncs()
