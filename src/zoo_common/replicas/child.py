"""A replica that the launcher has started: it ends with the launcher, however that ends."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
from collections.abc import Mapping

LAUNCHER = "ZOO_LAUNCHER"
"""The environment variable with the launcher's process id."""
LOST = 75
"""The exit status of a replica that has nothing to say but that another has gone (sysexits' EX_TEMPFAIL)."""
INTERRUPTED = 128 + signal.SIGINT
"""That of one which Ctrl-C has ended, and of its job."""
_PR_SET_PDEATHSIG = 1


def is_launched(variables: Mapping[str, str]) -> bool:
    """Whether the launcher has started this process, and will say what becomes of the others."""
    return LAUNCHER in variables


def tie_to_launcher() -> None:
    """End with the launcher: by the pipe that is standard input here, and on Linux, stopped or not, by the kernel."""
    launcher = int(os.environ[LAUNCHER])
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL))
        if os.getppid() != launcher:  # It ended before that was said.
            os._exit(LOST)
    threading.Thread(target=_end_with_the_pipe, name="launcher", daemon=True).start()


def _end_with_the_pipe() -> None:
    while os.read(0, 1):
        pass
    os._exit(LOST)
