"""Start the replicas of one machine, and watch them: the job ends with the first that ends, with one line of why."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import FrameType

import psutil

from zoo_common.replicas.child import INTERRUPTED, LAUNCHER, LOST
from zoo_common.replicas.environment import Environment
from zoo_spec.errors import EnvironmentFault

FROZEN_AFTER = 60.0
"""Seconds that a replica may be stopped, where nothing else is said."""

_BEGIN = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); sys.argv[:2] = ['zoo']; "
    "from zoo_common.cli.main import main; main()"
)
_THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
)
_LOOKS_EVERY = 0.05
_GRACE = 1.0
"""Seconds that the others have to end by themselves once one has failed, for they may know more of why."""
_INTERRUPTED_WITHIN = 10.0
_TERMINATED, _FAULT = 128 + signal.SIGTERM, EnvironmentFault.exit_status
_GOES_ON = "what was saved is whole, and the same command goes on from there"


def launch(
    arguments: Sequence[str], count: int, *, frozen_after: float | None = None, restarts: int = 0
) -> int:
    """Run ``zoo`` with these arguments in ``count`` processes, and return the job's exit status.

    Replica 0 has this process's standard output and error; of another, what it said last is told where it is why the
    job ends. Whatever happens, none of them outlives the call, nor this process. After a replica that was killed,
    stood still or found the machine at fault, all are started again, ``restarts`` times at most.

    Raises EnvironmentFault where a process cannot be started, or the port that ``MASTER_PORT`` names is in use.
    """

    def attempt() -> Outcome:
        with _started(arguments, count) as replicas:
            return _Watch(replicas, FROZEN_AFTER if frozen_after is None else frozen_after).outcome()

    return until_done(attempt, restarts)


def until_done(attempt: Callable[[], Outcome], restarts: int) -> int:
    """The exit status of a job, of which another attempt is made where the last may have failed by chance."""
    for left in range(restarts, -1, -1):
        ended = attempt()
        again = left > 0 and ended.may_pass
        if ended.line:
            then = (
                f"; started again from the last checkpoint ({restarts - left + 1} of {restarts})"
                if again
                else ""
            )
            print(f"{ended.line}{then or ended.way_on}", file=sys.stderr, flush=True)
        if not again:
            break
    return ended.status


def run_one(
    arguments: Sequence[str], environment: Environment, beside: int, frozen_after: float | None
) -> Outcome:
    """Run ``zoo`` as one replica of those that others start, of which ``beside`` are on this machine."""
    with _ended() as replicas:
        process = _process(arguments, environment, beside)
        replicas.append(_Replica(environment.rank, environment.size, process))
        return _Watch(replicas, FROZEN_AFTER if frozen_after is None else frozen_after).outcome()


@dataclass(frozen=True)
class Outcome:
    """How a job ended: its exit status, what to print, and whether another try may do better."""

    status: int
    line: str = ""
    way_on: str = ""
    may_pass: bool = False


class _Replica:
    """A process, and the last that it said."""

    def __init__(self, rank: int, size: int, process: subprocess.Popen[bytes]) -> None:
        self.rank, self.name, self.process = (
            rank,
            f"replica {rank} of {size} (process {process.pid})",
            process,
        )
        self._said = deque[bytes](maxlen=20)
        self._reader: threading.Thread | None = None
        if process.stderr is not None:
            self._reader = threading.Thread(target=self._read, daemon=True)
            self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        self._said.extend(self.process.stderr)

    def said(self) -> str:
        """The last lines on its standard error, once it has ended."""
        if self._reader is not None:
            self._reader.join(timeout=1)
        return b"".join(self._said).decode(errors="replace").strip()

    def is_stopped(self) -> bool:
        """Whether the kernel lets it do nothing, as after SIGSTOP."""
        with contextlib.suppress(psutil.Error):
            return bool(psutil.Process(self.process.pid).status() == psutil.STATUS_STOPPED)
        return False


class _Watch:
    """Looks at the replicas until all have ended."""

    def __init__(self, replicas: Sequence[_Replica], frozen_after: float) -> None:
        self._replicas = replicas
        self._frozen_after = frozen_after
        self._ended: list[_Replica] = []
        self._stopped: dict[int, float] = {}
        self._is_terminated = False

    def outcome(self) -> Outcome:
        """Return when the job has ended, with why."""
        try:
            with self._passing_on_sigterm():
                return self._watched()
        except KeyboardInterrupt:
            return self._interrupted()

    def _watched(self) -> Outcome:
        while True:
            self._look()
            failed = [each for each in self._ended if each.process.returncode]
            frozen = self._frozen()
            if frozen is not None:
                line = f"{frozen.name} has stood still for {self._frozen_after:g} s, and the job ends"
                return Outcome(_FAULT, line, f"; {_GOES_ON}", may_pass=True)
            if failed:
                if not self._was_killed(failed):
                    self._wait(_GRACE)
                return self._why()
            if len(self._ended) == len(self._replicas):
                return Outcome(0)
            time.sleep(_LOOKS_EVERY)

    def _look(self) -> None:
        gone = [
            each for each in self._replicas if each not in self._ended and each.process.poll() is not None
        ]
        # Of those that ended at once, one that was killed came before those that it took with it.
        self._ended += sorted(gone, key=lambda each: (each.process.returncode != -signal.SIGKILL, each.rank))

    def _was_killed(self, failed: Sequence[_Replica]) -> bool:
        """Whether that is why the job ends, so that the others have nothing to add."""
        return not self._is_terminated and any(each.process.returncode == -signal.SIGKILL for each in failed)

    def _frozen(self) -> _Replica | None:
        now = time.monotonic()
        for each in self._replicas:
            if each in self._ended or not each.is_stopped():
                self._stopped.pop(each.rank, None)
            elif now - self._stopped.setdefault(each.rank, now) >= self._frozen_after:
                return each
        return None

    def _wait(self, seconds: float) -> None:
        """Until all have ended, or so long; after a SIGTERM, while they save, without end."""
        until = time.monotonic() + seconds
        while len(self._ended) < len(self._replicas) and (self._saves() or time.monotonic() < until):
            time.sleep(_LOOKS_EVERY)
            self._look()

    def _saves(self) -> bool:
        return self._is_terminated and all(
            each.process.returncode in (0, _TERMINATED) for each in self._ended
        )

    def _why(self) -> Outcome:
        if self._is_terminated and all(
            each.process.returncode in (0, LOST, _TERMINATED, -signal.SIGTERM) for each in self._ended
        ):
            return Outcome(_TERMINATED)
        guilty = [each for each in self._ended if each.process.returncode not in (0, LOST)]
        if not guilty:
            line = "the replicas have lost each other, and the job ends"
            return Outcome(_FAULT, line, f"; {_GOES_ON}", may_pass=True)
        first = guilty[0]
        if first.process.returncode > 0:  # Replica 0 tells what all have raised.
            first = next((each for each in guilty if each.rank == 0 and each.process.returncode > 0), first)
        status = first.process.returncode
        if status < 0:
            by = signal.Signals(-status).name
            said = f"{first.name} was ended by {by}, and the job with it"
            return Outcome(_FAULT, said, f"; {_GOES_ON}", may_pass=True)
        if first.rank == 0:
            return Outcome(status, may_pass=status == _FAULT)  # It has said why.
        return Outcome(
            status,
            f"replica {first.rank}: {first.said() or f'exit status {status}'}",
            may_pass=status == _FAULT,
        )

    def _interrupted(self) -> Outcome:
        """Ctrl-C is replica 0's, which tidies up; the others go on until it has ended, or it would wait for them."""
        first = self._replicas[0].process
        with contextlib.suppress(ProcessLookupError, KeyboardInterrupt, subprocess.TimeoutExpired):
            first.send_signal(signal.SIGINT)
            first.wait(_INTERRUPTED_WITHIN)
        return Outcome(INTERRUPTED, "interrupted")

    @contextlib.contextmanager
    def _passing_on_sigterm(self) -> Iterator[None]:
        def note(number: int, frame: FrameType | None) -> None:
            self._is_terminated = True
            for each in self._replicas:
                with contextlib.suppress(ProcessLookupError):
                    each.process.send_signal(signal.SIGTERM)

        if threading.current_thread() is not threading.main_thread():  # Whose signals they are.
            yield
            return
        before = signal.signal(signal.SIGTERM, note)
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def _started(arguments: Sequence[str], count: int) -> Iterator[list[_Replica]]:
    """The processes; when the block ends, however it does, there are none."""
    host = "localhost"
    first, *ports = _free_ports(count + 1)
    workers = tuple(f"{host}:{port}" for port in ports)
    with _ended() as replicas:
        for rank in range(count):
            environment = Environment(rank, count, rank, f"{host}:{first}", workers)
            replicas.append(_Replica(rank, count, _process(arguments, environment, count)))
        yield replicas


@contextlib.contextmanager
def _ended() -> Iterator[list[_Replica]]:
    """A list of replicas, none of which outlives the block."""
    replicas: list[_Replica] = []
    try:
        yield replicas
    finally:
        for each in replicas:
            each.process.kill()
        for each in replicas:
            each.process.wait()
            each.said()
            for pipe in (each.process.stdin, each.process.stderr):
                if pipe is not None:
                    pipe.close()


def _process(arguments: Sequence[str], environment: Environment, beside: int) -> subprocess.Popen[bytes]:
    """In a group of its own, so that a terminal's Ctrl-C reaches the launcher alone; ``beside`` share the machine."""
    share = str(max(1, _cores() // beside))
    threads = {name: os.environ.get(name, share) for name in _THREADS}
    own = {**environment.variables(), "LOCAL_WORLD_SIZE": str(beside), LAUNCHER: str(os.getpid())}
    options = ["-B"] if sys.dont_write_bytecode else []
    is_first = environment.rank == 0
    try:
        return subprocess.Popen(
            [sys.executable, *options, "-c", _BEGIN, json.dumps(sys.path), *arguments],
            stdin=subprocess.PIPE,
            stdout=None if is_first else subprocess.DEVNULL,
            stderr=None if is_first else subprocess.PIPE,
            bufsize=0,
            env={**os.environ, **threads, **own},
            process_group=0 if os.name == "posix" else None,
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
        )
    except OSError as error:
        raise EnvironmentFault(
            f"replica {environment.rank} cannot be started: {error}; ask for fewer"
        ) from error


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _free_ports(count: int) -> list[int]:
    """Ports that nothing listens at; the first is ``MASTER_PORT``, where that is set."""
    asked = os.environ.get("MASTER_PORT", "0")
    with contextlib.ExitStack() as held:
        found = []
        for number in range(count):
            taken = held.enter_context(socket.socket())
            wanted = int(asked) if number == 0 and asked.isdigit() else 0
            try:
                taken.bind(("localhost", wanted))
            except OSError as error:
                raise EnvironmentFault(
                    f"port {wanted} of localhost, which MASTER_PORT names, cannot be taken: {error.strerror}; name "
                    "another, or unset it for a free one"
                ) from error
            found.append(int(taken.getsockname()[1]))
        return found
