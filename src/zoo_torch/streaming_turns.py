"""Micro-batches that go through a model side by side, one of them at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Semaphore, Thread
from typing import TypeVar

import torch

from zoo_torch.randomness import StepRandomness

T = TypeVar("T")


class Turns:
    """Threads of which one runs: at each ``next`` it waits until all the others have come as far.

    So what ``next`` stands before is done for the first micro-batch, the second and so on, and then what follows it.
    Each draws its dropout as if it were alone.
    """

    def __init__(self) -> None:
        self.random: StepRandomness | None = None
        """What all of them draw from; None: nothing."""
        self.count = 1
        """How many there are."""
        self._running = 0
        self._batons: list[Semaphore] = []
        self._done: list[bool] = []
        self._failed: BaseException | None = None

    def side_by_side(self, works: Sequence[Callable[[], T]]) -> list[T]:
        """What each gives. The first error of any of them ends the others, and is raised."""
        if len(works) == 1:
            return [works[0]()]
        self.count, self._failed = len(works), None
        self._batons = [Semaphore(0) for _ in works]
        self._done = [False for _ in works]
        results: dict[int, T] = {}
        threads = [
            Thread(target=self._run, args=(index, work, results), daemon=True)
            for index, work in enumerate(works)
        ]
        try:
            for thread in threads:
                thread.start()
            self._batons[0].release()
            for thread in threads:
                thread.join()
        except BaseException as error:  # Such as an interrupt, which the first thread alone is told of.
            self._failed = self._failed or error
            for thread in threads:
                thread.join()
            raise
        finally:
            self.count = 1
        if self._failed is not None:
            raise self._failed
        return [results[index] for index in range(len(works))]

    def next(self) -> None:
        """Let the others come as far as this."""
        if self.count == 1:
            return
        own = self._running
        place = None if self.random is None else self.random.place()
        self._hand_on(own)
        self._wait(own)
        if self.random is not None and place is not None:
            self.random.go_to(place)

    def _run(self, index: int, work: Callable[[], T], results: dict[int, T]) -> None:
        try:
            self._wait(index)
            # A device's part of a backward pass would run in a thread that all of them share, and wait there.
            with torch.autograd.set_multithreading_enabled(False):
                results[index] = work()
        except _EndedError:
            pass
        except BaseException as error:
            self._failed = self._failed or error
        finally:
            self._done[index] = True
            self._hand_on(index)

    def _wait(self, index: int) -> None:
        self._batons[index].acquire()
        self._running = index
        if self._failed is not None:
            raise _EndedError

    def _hand_on(self, index: int) -> None:
        count = len(self._batons)
        order = [(index + 1 + step) % count for step in range(count)]
        following = next((each for each in order if not self._done[each]), None)
        if following is not None:
            self._batons[following].release()


class _EndedError(Exception):
    """Another micro-batch failed."""
