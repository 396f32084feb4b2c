"""Readings that run ahead and writings that lag behind, through a few rotating buffers."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from queue import SimpleQueue
from threading import Condition, Thread
from typing import Generic, TypeVar

from zoo_common.streaming.slots import Buffer

Filled = TypeVar("Filled")


@dataclass(frozen=True)
class Load(Generic[Filled]):
    """What is to be read: ``key`` tells it from others, ``of`` what it reads, which one at a time may change.

    ``read`` fills a buffer, and gives what whoever asked will see; ``write`` puts that back, where it is changed.
    ``after`` is what has to be written before, and anew each time (``Traffic.behind``).
    """

    key: Hashable
    of: Hashable
    read: Callable[[Buffer], Filled]
    write: Callable[[Filled], None] | None = None
    after: Hashable = None


@dataclass
class _Ticket(Generic[Filled]):
    load: Load[Filled]
    future: Future[tuple[Buffer, Filled] | None] = field(default_factory=Future)
    is_dropped: bool = False


class Traffic(Generic[Filled]):
    """One thread that reads, one that writes.

    What followed two loads the last time is read while the second is computed with: the way back reads the same units
    as the way there, in another order. Nothing is read that is still to be written. What goes wrong in a thread is
    raised by the next call.
    """

    def __init__(self, buffers: Iterable[Buffer]) -> None:
        self._free = list(buffers)
        self._changing: set[Hashable] = set()
        self._given: set[Hashable] = set()
        self._state = Condition()
        self._reader = _Worker("zoo-reads-ahead")
        self._writer = _Worker("zoo-writes-behind")
        self._follows: dict[tuple[Hashable, Hashable], Load[Filled]] = {}
        self._last: tuple[Hashable, Hashable] = (None, None)
        self._ahead: _Ticket[Filled] | None = None
        self._writing: list[Future[None]] = []
        self._failed: BaseException | None = None
        self.seconds_waited = 0.0
        """How long the computing stood still for files."""

    def begin(self, load: Load[Filled]) -> tuple[Buffer, Filled]:
        """What the load reads, which was read ahead if it came after the same one before; ``end`` it."""
        began = time.perf_counter()
        try:
            self._raise_failed()
            ahead, self._ahead = self._ahead, None
            if ahead is not None and ahead.load.key != load.key:
                self._drop(ahead)
                ahead = None
            ticket = ahead or self._order(load)
            found = ticket.future.result()
            assert found is not None
        finally:
            self.seconds_waited += time.perf_counter() - began
        if load.write is not None:
            with self._state:
                self._changing.add(load.of)
                self._given.discard(load.after)
        self._follows[self._last], self._last = load, (self._last[1], load.key)
        if self._last in self._follows:
            self._ahead = self._order(self._follows[self._last])
        return found

    def end(self, load: Load[Filled], buffer: Buffer, filled: Filled, *, is_good: bool) -> None:
        """Have the buffer back, once what was changed in it is written; nothing is, where the computing failed."""
        if load.write is None or not is_good:
            self._release(load, buffer)
            return
        self._writing = [each for each in self._writing if not each.done()]
        self._writing.append(self._writer.submit(partial(self._write, load, buffer, filled)))

    def room(self) -> None:
        """Return once no more than one writing is not done."""
        began = time.perf_counter()
        while len(self._writing) > 1:
            self._writing.pop(0).result()
        self.seconds_waited += time.perf_counter() - began
        self._raise_failed()

    def behind(self, what: Hashable, write: Callable[[], None]) -> None:
        """Have the other thread write what a load comes ``after``."""
        self._writing.append(self._writer.submit(partial(self._give, what, write)))

    def settle(self) -> None:
        """Return once everything is written, and nothing is read ahead."""
        began = time.perf_counter()
        ahead, self._ahead = self._ahead, None
        if ahead is not None:
            self._drop(ahead)
            ahead.future.exception()
        for each in self._writing:
            each.result()
        self._writing.clear()
        self.seconds_waited += time.perf_counter() - began
        self._raise_failed()

    def reset(self) -> None:
        """Begin anew, whatever went wrong before."""
        with suppress(BaseException):
            self.settle()
        self._failed = None
        self._follows.clear()
        self._last = None, None
        self._given.clear()

    def close(self) -> None:
        """Stop both threads; what is still to be written need not be, but nothing is being written on return."""
        if self._ahead is not None:
            self._drop(self._ahead)
        self._failed = self._failed or RuntimeError("the host was closed")
        self._reader.stop()
        self._writer.stop()
        for each in self._writing:
            each.result()

    def _order(self, load: Load[Filled]) -> _Ticket[Filled]:
        ticket = _Ticket(load)
        self._reader.submit(partial(self._read, ticket))
        return ticket

    def _drop(self, ticket: _Ticket[Filled]) -> None:
        with self._state:
            ticket.is_dropped = True
            self._state.notify_all()

        def release(future: Future[tuple[Buffer, Filled] | None]) -> None:
            with suppress(BaseException):
                found = future.result()
                if found is not None:
                    self._give_back(found[0])

        ticket.future.add_done_callback(release)

    def _read(self, ticket: _Ticket[Filled]) -> None:
        load = ticket.load
        with self._state:
            self._state.wait_for(lambda: ticket.is_dropped or self._is_ready(load))
            buffer = None if ticket.is_dropped else self._free.pop()
        if buffer is None:
            ticket.future.set_result(None)
            return
        try:
            filled = load.read(buffer)
        except BaseException as error:
            self._give_back(buffer)
            ticket.future.set_exception(error)
        else:
            ticket.future.set_result((buffer, filled))

    def _is_ready(self, load: Load[Filled]) -> bool:
        is_written = load.after is None or load.after in self._given
        return bool(self._free) and load.of not in self._changing and is_written

    def _write(self, load: Load[Filled], buffer: Buffer, filled: Filled) -> None:
        assert load.write is not None
        write = load.write
        try:
            self._guarded(lambda: write(filled))
        finally:
            self._release(load, buffer)

    def _give(self, what: Hashable, write: Callable[[], None]) -> None:
        self._guarded(write)
        with self._state:
            self._given.add(what)
            self._state.notify_all()

    def _guarded(self, write: Callable[[], None]) -> None:
        try:
            if self._failed is None:
                write()
        except BaseException as error:
            self._failed = error

    def _release(self, load: Load[Filled], buffer: Buffer) -> None:
        with self._state:
            if load.write is not None:
                self._changing.discard(load.of)
            self._free.append(buffer)
            self._state.notify_all()

    def _give_back(self, buffer: Buffer) -> None:
        with self._state:
            self._free.append(buffer)
            self._state.notify_all()

    def _raise_failed(self) -> None:
        if self._failed is not None:
            raise self._failed


class _Worker:
    """A thread that does one thing after the other, and stays behind when the process ends, whatever it waits for."""

    def __init__(self, name: str) -> None:
        self._jobs: SimpleQueue[tuple[Callable[[], None], Future[None]] | None] = SimpleQueue()
        Thread(target=_serve, args=(self._jobs,), name=name, daemon=True).start()

    def submit(self, job: Callable[[], None]) -> Future[None]:
        """Have it be done; the future says when, and what it raised."""
        done: Future[None] = Future()
        self._jobs.put((job, done))
        return done

    def stop(self) -> None:
        """End once everything is done."""
        self._jobs.put(None)


def _serve(jobs: SimpleQueue[tuple[Callable[[], None], Future[None]] | None]) -> None:
    while (found := jobs.get()) is not None:
        job, done = found
        try:
            job()
        except BaseException as error:
            done.set_exception(error)
        else:
            done.set_result(None)
        del found, job, done  # Or it would keep what it did last.
