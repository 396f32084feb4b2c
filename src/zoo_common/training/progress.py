"""Progress of a run: a live bar on a terminal, logged lines elsewhere; always on standard error."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from zoo_common.log import LOG
from zoo_common.screen import rich_console
from zoo_common.training.loop import Step
from zoo_common.training.recent_rates import RecentRates


class Reporter:
    """Shows steps as they finish: loss, recent steps/s and tokens/s, waiting for files, time left.

    Use it in a ``with`` statement.
    """

    def __init__(self, title: str, start: int, stop: int | None, *, quiet: bool = False) -> None:
        self.title = title
        self.start = start
        self.stop = stop
        self.quiet = quiet
        self._console = rich_console(sys.stderr)
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._rates = RecentRates(start, time.perf_counter())
        self._loss: float | None = None

    def __enter__(self) -> Self:
        if self._console.is_terminal and not self.quiet:
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[state]}"),
                TimeRemainingColumn(),
                console=self._console,
            )
            self._bar.start()
            self._task = self._bar.add_task(self.title, total=self.stop, completed=self.start, state="")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def step(self, step: Step, loss: float | None) -> None:
        """A step is done; ``loss`` is given where it was logged."""
        files = step.result.files
        waited = None if files is None else files.waited
        self._rates.add(step.number, time.perf_counter(), step.tokens or 0, waited)
        self._loss = loss if loss is not None else self._loss
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=step.number, state=self._state())
        elif loss is not None and self._is_due(step.number):
            of = "" if self.stop is None else f"/{self.stop}"
            LOG.info(f"{self.title}: step {step.number}{of}  {self._state()}")

    def _is_due(self, number: int) -> bool:
        every = 100 if self.stop is None else max(1, (self.stop - self.start) // 20)
        return number in (self.start + 1, self.stop) or number % every == 0

    def _state(self) -> str:
        loss = f"loss {self._loss:.4f}" if self._loss is not None else ""
        return "  ".join(part for part in (loss, str(self._rates)) if part)


def format_metrics(metrics: Mapping[str, float]) -> str:
    """``loss 2.1034  accuracy 0.9512``."""
    return "  ".join(f"{name} {value:.4f}" for name, value in metrics.items())
