"""Batches made ahead of time, in order, by threads or by processes: which of them made one cannot be told from it."""

from __future__ import annotations

import math
import os
import time
from collections import deque
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import Protocol

from zoo_common.data.base import Dataset, Example, batch
from zoo_common.data.processes import Processes
from zoo_common.data.worker import Recipe
from zoo_common.log import LOG

PREFETCH = 4
"""Batches that wait at most, or two for each that makes them."""

_LOOKED_AT = slice(8, 40)
"""Batches by which it is judged whether processes pay; during the first ones the frameworks compile."""
_SHARE, _WORTH = 0.2, 30.0
"""Processes pay where so much of the time, and so many seconds of what is left, would be waited for batches: one is
ready after two seconds or so."""
_MOST = 8


class Maker(Protocol):
    """Makes the batch of any step, ``at_once`` of them at once."""

    @property
    def at_once(self) -> int:
        """How many."""

    def batch(self, step: int) -> Example:
        """The batch of a step; it may be asked for by as many threads."""

    def close(self) -> None:
        """End what makes them; whoever waits for one gets an error."""


@dataclass(frozen=True)
class Threads:
    """So many threads of this process."""

    dataset: Dataset
    seed: int
    batch_size: int
    at_once: int = 1

    def batch(self, step: int) -> Example:
        """The batch of a step."""
        return batch(self.dataset, self.seed, step, self.batch_size)

    def close(self) -> None:
        """Nothing: the batch that a thread makes is waited for."""


def made_ahead(
    maker: Maker, start: int, stop: int, *, prefetch: int = PREFETCH
) -> Generator[Example, None, None]:
    """The batches of steps ``start`` to ``stop - 1``, made ahead of time.

    At most ``prefetch`` batches wait, or two for each that are made at once. The maker is closed with the generator,
    also where that is closed early, and what goes wrong with a batch is raised here, at the step that it belongs to.
    """
    steps = iter(range(start, stop))
    waiting: deque[Future[Example]] = deque()
    pool = ThreadPoolExecutor(max_workers=maker.at_once, thread_name_prefix="zoo-data")

    def submit() -> None:
        step = next(steps, None)
        if step is not None:
            waiting.append(pool.submit(maker.batch, step))

    try:
        for _ in range(max(prefetch, 2 * maker.at_once)):
            submit()
        while waiting:
            ready = waiting.popleft().result()
            submit()
            yield ready
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        maker.close()
        pool.shutdown(wait=True)


def batches(
    dataset: Dataset,
    seed: int,
    batch_size: int,
    start_step: int,
    stop_step: int,
    *,
    workers: int = 1,
    prefetch: int = PREFETCH,
) -> Generator[Example, None, None]:
    """The batches of steps ``start_step`` to ``stop_step - 1``, made ahead of time by threads of this process.

    As ``made_ahead``; the threads end with the generator.
    """
    return made_ahead(Threads(dataset, seed, batch_size, workers), start_step, stop_step, prefetch=prefetch)


def batches_by(
    workers: int | None, recipe: Recipe, dataset: Dataset, start: int, stop: int
) -> Generator[Example, None, None]:
    """A run's, made by as many processes as ``workers`` says, which are started now; 0 is a thread of this one.

    None is that thread until it has been seen that training waits for it, and processes from then on if they pay.
    ``dataset`` is what ``recipe`` opens. Raises InputError for data that another process cannot open,
    EnvironmentFault where none can be started, or one dies.
    """
    training = recipe.spec.training
    here = Threads(dataset, training.seed, training.batch_size)
    if workers is None:
        return _where_they_pay(here, recipe, start, stop)
    count = min(workers, stop - start)
    if count < 1:
        return made_ahead(here, start, stop)
    LOG.info(f"{_told(count)} the batches")
    return made_ahead(Processes(recipe, len(dataset), count), start, stop)


def _where_they_pay(here: Threads, recipe: Recipe, start: int, stop: int) -> Generator[Example, None, None]:
    waited, looked_at, began = 0.0, 0, 0.0
    with ExitStack() as held:
        found = held.enter_context(closing(made_ahead(here, start, stop)))
        for step in range(start, stop):
            asked = time.perf_counter()
            ready = next(found)
            if step - start == _LOOKED_AT.start:
                waited, looked_at, began = 0.0, 0, asked
            waited, looked_at = waited + time.perf_counter() - asked, looked_at + 1
            yield ready
            if step - start + 1 == _LOOKED_AT.stop:
                elapsed = time.perf_counter() - began
                count = worth(waited, elapsed, looked_at, stop - step - 1, usable_cores())
                if count:
                    held.close()
                    LOG.info(
                        f"{waited / elapsed:.0%} of the time was waited for batches; {_told(count)} them from now "
                        "on (--workers 0 has it as it was)"
                    )
                    maker = Processes(recipe, len(here.dataset), count)
                    found = held.enter_context(closing(made_ahead(maker, step + 1, stop)))


def worth(waited: float, elapsed: float, steps: int, left: int, cores: int) -> int:
    """How many processes would pay where ``steps`` steps took ``elapsed`` seconds, ``waited`` of them for batches.

    ``left`` steps are still to come. 0 where they would not pay.
    """
    if cores < 2 or waited < _SHARE * elapsed or waited / steps * left < _WORTH:
        return 0
    training = max(elapsed - waited, elapsed / _MOST)
    return min(math.ceil(elapsed / training), cores - 1, _MOST)


def usable_cores() -> int:
    """Cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _told(count: int) -> str:
    return "a worker process makes" if count == 1 else f"{count} worker processes make"
