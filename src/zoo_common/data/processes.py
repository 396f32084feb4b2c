"""Batches that processes of their own make, each of which has opened the data for itself.

They are started, not forked: a framework's threads do not survive a fork. They are handed over through pipes and not
through shared memory, of which something stays behind when a process is killed. A process ends when its pipe is
closed, and so with whoever started it, however that ends.
"""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import weakref
from collections.abc import Sequence
from queue import SimpleQueue
from threading import Lock

from zoo_common.data.base import Example
from zoo_common.data.frames import receive, send
from zoo_common.data.worker import Failed, Made, Opened, Recipe
from zoo_spec.errors import EnvironmentFault, InputError

_BEGIN = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from zoo_common.data.worker import main; main()"
)
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


class Processes:
    """``count`` processes, any of which makes the batch of any step.

    ``examples`` is how many the data set has here. They end when this is closed, or forgotten.
    """

    def __init__(self, recipe: Recipe, examples: int, count: int) -> None:
        workers = [_Worker(recipe, examples, f"{number + 1} of {count}") for number in range(count)]
        self._workers, self._free = workers, SimpleQueue[_Worker]()
        for worker in workers:
            self._free.put(worker)
        self.at_once = count
        self.ids = tuple(worker.process.pid for worker in workers)
        self._end = weakref.finalize(self, _kill, [worker.process for worker in workers])

    def batch(self, step: int) -> Example:
        """The batch of a step, made by the next process that is free; it may be asked for by several threads.

        Raises what making it raises, and EnvironmentFault if the process has died.
        """
        worker = self._free.get()
        try:
            return worker.batch(step)
        finally:
            self._free.put(worker)

    def close(self) -> None:
        """End them at once; whoever waits for a batch gets an error."""
        for worker in self._workers:
            worker.process.kill()
        for worker in self._workers:
            worker.leave()
        self._end()


class _Worker:
    def __init__(self, recipe: Recipe, examples: int, name: str) -> None:
        self._examples, self._name, self._is_open = examples, name, False
        self._lock = Lock()
        try:
            self.process = _started()
        except OSError as error:
            raise EnvironmentFault(
                f"worker process {name}, which is to make batches, cannot be started: {error}; "
                "ask for fewer (--workers), or for none (--workers 0)"
            ) from error
        assert isinstance(self.process.stdin, io.FileIO)
        assert isinstance(self.process.stdout, io.FileIO)
        self._asked, self._answers = self.process.stdin, self.process.stdout
        try:
            send(self._asked, recipe)
        except BrokenPipeError:
            pass  # It has died already, which is said at the first batch.
        except Exception as error:  # Whatever a plugin's class raises when it is copied.
            raise InputError(
                f"the spec cannot be handed to a worker process: {error}; ask for none (--workers 0)"
            ) from error

    def batch(self, step: int) -> Example:
        with self._lock:
            try:
                if not self._is_open:
                    self._require_same(self._answer())
                    self._is_open = True
                send(self._asked, step)
                answer = self._answer()
            except (EOFError, BrokenPipeError) as error:
                raise EnvironmentFault(self._death(step)) from error
        assert isinstance(answer, Made)
        return answer.batch

    def leave(self) -> None:
        """Return when nobody waits for a batch of it any more."""
        with self._lock:
            pass

    def _answer(self) -> object:
        answer = receive(self._answers)
        if isinstance(answer, Failed):
            raise answer.raised()
        return answer

    def _require_same(self, answer: object) -> None:
        assert isinstance(answer, Opened)
        if answer.count != self._examples:
            raise InputError(
                f"worker process {self._name} finds {answer.count:,} examples in the data, the run "
                f"{self._examples:,}: they were changed meanwhile; give the command again once they no longer change"
            )

    def _death(self, step: int) -> str:
        try:
            status = self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            how = "has closed its pipe"
        else:
            how = (
                f"was ended by {signal.Signals(-status).name}"
                if status < 0
                else f"ended with exit status {status}"
            )
        return (
            f"worker process {self._name} (process {self.process.pid}) {how} before it gave the batch of step "
            f"{step + 1}, most often because memory ran out. What was saved is whole: give the same command again to "
            "go on from there, with fewer worker processes (--workers), or with none (--workers 0)"
        )


def _started() -> subprocess.Popen[bytes]:
    """In a group of its own, so that a terminal's Ctrl-C reaches the parent alone."""
    return subprocess.Popen(
        [sys.executable, *(["-B"] if sys.dont_write_bytecode else []), "-c", _BEGIN, json.dumps(sys.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        bufsize=0,
        env={**os.environ, **_ONE_THREAD},
        process_group=0 if os.name == "posix" else None,
        creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
    )


def _kill(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        process.kill()
    for process in processes:
        process.wait()
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            pipe.close()
