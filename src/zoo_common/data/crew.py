"""Work on data over processes, which end with whoever started them, however that ends."""

from __future__ import annotations

import contextlib
import ctypes
import os
import pickle
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from types import TracebackType
from typing import BinaryIO, Generic, Self, TypeVar

from zoo_spec.errors import EnvironmentFault, InputError

Item = TypeVar("Item")
Result = TypeVar("Result")

_START = (
    "import pickle, sys; sys.path[:] = pickle.load(sys.stdin.buffer); "
    "from zoo_common.data.crew import serve; serve()"
)
_DIES_WITH_PARENT = 1
"""PR_SET_PDEATHSIG of Linux' prctl."""


def processors() -> int:
    """How many processes can compute at once here."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Crew(Generic[Item, Result]):
    """``function`` in so many processes of their own; use it in a ``with`` statement.

    The function, items and results are pickled. The processes are started afresh, not forked, so that no library's
    threads are torn; a program needs no guard around its main part. They read what to do from a pipe, and end when
    that ends.
    """

    def __init__(self, function: Callable[[Item], Result], count: int) -> None:
        self._function, self._count = function, count
        self._all: list[subprocess.Popen[bytes]] = []
        self._idle: SimpleQueue[subprocess.Popen[bytes]] = SimpleQueue()

    def __enter__(self) -> Self:
        try:
            for _ in range(self._count):
                process = subprocess.Popen(
                    [sys.executable, "-c", _START],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    env={**os.environ, "TOKENIZERS_PARALLELISM": "false", "OMP_NUM_THREADS": "1"},
                )
                self._all.append(process)
                self._send(process, sys.path)
                self._send(process, self._function)
                self._idle.put(process)
        except OSError as error:
            self._end()
            raise EnvironmentFault(f"cannot start a process: {error.strerror}; free some memory") from error
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def map(self, items: Iterable[Item]) -> Iterator[Result]:
        """The results in their order; few items wait at a time.

        Raises InputError and EnvironmentFault as the function does, and EnvironmentFault where a process dies.
        """
        waiting: deque[Future[Result]] = deque()
        pool = ThreadPoolExecutor(self._count, thread_name_prefix="zoo-crew")
        try:
            for item in items:
                waiting.append(pool.submit(self._ask, item))
                if len(waiting) > 2 * self._count:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for each in waiting:
                each.cancel()
            if sys.exc_info()[0] is not None:
                self._end()  # Threads wait for answers that nobody wants any more.
            pool.shutdown(wait=True, cancel_futures=True)

    def _ask(self, item: Item) -> Result:
        process = self._idle.get()
        try:
            self._send(process, item)
            assert process.stdout is not None
            is_good, answer = pickle.load(process.stdout)
        except (OSError, EOFError, pickle.UnpicklingError, ValueError) as error:
            raise EnvironmentFault(_died(process)) from error
        finally:
            self._idle.put(process)
        if not is_good:
            raise answer
        found: Result = answer
        return found

    def _send(self, process: subprocess.Popen[bytes], what: object) -> None:
        assert process.stdin is not None
        pickle.dump(what, process.stdin, pickle.HIGHEST_PROTOCOL)
        process.stdin.flush()

    def _end(self) -> None:
        for process in self._all:
            process.kill()
        for process in self._all:
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with contextlib.suppress(OSError):  # What was still to be written to it.
                        pipe.close()


def serve() -> None:
    """What a process does: take a function, then items, until there are no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # The parent is told too, and ends this.
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(_DIES_WITH_PARENT, signal.SIGKILL)
    # Whatever a library prints is not to stand among the answers.
    answers: BinaryIO = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    with contextlib.suppress(EOFError, BrokenPipeError):
        function = pickle.load(sys.stdin.buffer)
        while True:
            item = pickle.load(sys.stdin.buffer)
            pickle.dump(_answer(function, item), answers, pickle.HIGHEST_PROTOCOL)
            answers.flush()


def _answer(function: Callable[[object], object], item: object) -> tuple[bool, object]:
    try:
        return True, function(item)
    except MemoryError:
        return False, EnvironmentFault("a process has no memory left; free some, or give it more")
    except Exception as error:
        try:
            pickle.loads(pickle.dumps(error))
        except Exception:  # As errors whose constructor takes more than the message.
            kind = next(each for each in (InputError, EnvironmentFault, RuntimeError) if _is(error, each))
            return False, kind(str(error))
        return False, error


def _is(error: Exception, kind: type[Exception]) -> bool:
    return isinstance(error, kind) or kind is RuntimeError


def _died(process: subprocess.Popen[bytes]) -> str:
    status = process.wait()
    how = f"was ended by signal {-status}" if status < 0 else f"ended with status {status}"
    return (
        f"process {process.pid}, which works on the data, {how}: most often for want of memory; free some and begin "
        "again, what is done stays done"
    )
