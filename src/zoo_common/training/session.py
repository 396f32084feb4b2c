"""What happens around the steps of a run, whoever makes them: log, evaluate, save, stop when asked to."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import NoReturn, Protocol

import psutil

from zoo_common.backend import FileTraffic
from zoo_common.log import LOG
from zoo_common.replicas import ALONE, Replicas, told
from zoo_common.training.loop import Step
from zoo_common.training.progress import Reporter, format_metrics
from zoo_common.training.run_directory import MetricValue, RunDirectory, read_metrics
from zoo_common.training.stop import TerminatedError, noting_sigterm
from zoo_common.training.stopping import stopping
from zoo_spec.errors import ZooError

Record = dict[str, MetricValue]


class DivergedError(ZooError):
    """The loss, the gradients or the weights are no longer finite (exit status 1)."""

    def __init__(self, step: int, what: str, advice: str = "") -> None:
        """``advice`` is what to change, unless it is the learning rate."""
        self.step, self.what, self.advice = step, what, advice
        to_do = advice or "lower the learning rate, or lengthen its warm-up"
        super().__init__(f"step {step}: {what}; nothing of this was saved. To go on, {to_do}")


def not_finite_after(step: int, name: str) -> DivergedError:
    """What is to be said where a step left a tensor that is not numbers."""
    return DivergedError(step, f"{name} holds NaN or infinity after its update")


class Cadence(Protocol):
    """Which steps, counted from 1, are followed by what."""

    def logs(self, step: int) -> bool:
        """Whether the metrics of this step are written."""

    def saves(self, step: int) -> bool:
        """Whether a checkpoint follows."""

    def evaluates(self, step: int) -> bool:
        """Whether an evaluation follows."""


@dataclass(frozen=True)
class Session:
    """The rest of a run from step ``start`` to ``stop``, in an open run directory.

    Without a ``stop``, and also before it, the run ends where its steps end; the last one is always saved.
    """

    title: str
    directory: RunDirectory
    cadence: Cadence
    start: int
    stop: int | None
    save: Callable[[], None]
    evaluate: Callable[[], Mapping[str, float]] | None = None
    device_bytes: Callable[[], int | None] = lambda: None
    suspect: Callable[[], str] = str
    """What of the input so far was not finite, in words; nothing where that is checked before a step."""
    quiet: bool = False
    replicas: Replicas = ALONE

    def follow(self, steps: Generator[Step, None, None]) -> list[Record]:
        """Take every step, and do what is due after it; returns what was logged.

        A step's metrics are written before its checkpoint, so a run that goes on from there has them; its
        evaluation comes after, for it may take long, and is made up for if the run goes on from there without.
        Raises DivergedError where the loss is no longer finite, and TerminatedError after a SIGTERM.
        """
        logged: list[Record] = []

        def log(record: Record) -> None:
            self.directory.append_metrics(record)
            logged.append(record)

        clock = _Clock(self.device_bytes)
        with (
            Reporter(self.title, self.start, self.stop, quiet=self.quiet) as reporter,
            contextlib.closing(steps),
            self.directory.event_writer("train", self.start) as train_events,
            self.directory.event_writer("eval", self.start) as eval_events,
            noting_sigterm() as request,
        ):
            stop = stopping(request, self.replicas)

            def evaluate(number: int) -> bool:
                metrics = stop.unless_asked(lambda: dict(self.evaluate() if self.evaluate else {}))
                if metrics is None:
                    return False
                self.directory.require_there()
                eval_events.add(number, metrics)
                log({"step": number, "split": "eval", **metrics})
                LOG.info(f"{self.title}: step {number}: evaluation: {format_metrics(metrics)}")
                return True

            if self.lacks_evaluation() and not evaluate(self.start):
                self._end(self.start)
            unsaved: Step | None = None
            for step in clock.watch(steps):
                number, is_last = step.number, step.number == self.stop
                logs = self.cadence.logs(number) or is_last
                asked = stop.asked(number)
                saves = self.cadence.saves(number) or is_last or asked
                evaluates = self.evaluate is not None and self.cadence.evaluates(number)
                record = self._record(step) if logs or saves or evaluates else None
                reporter.step(step, float(step.result.loss) if logs else None)
                clock.computed()  # Only now: a device may have been at work until its loss was read.
                if record is not None and logs:
                    log(record)
                    train_events.add(number, _numbers(record))
                if saves:
                    with clock.saving():
                        self._save()
                unsaved = None if saves else step
                if record is not None and logs:
                    train_events.add(number, clock.read())
                is_evaluated = not evaluates or evaluate(number)
                if (asked or stop.late()) and not (is_last and is_evaluated):
                    if not saves:  # The signal came after this step's turn to save.
                        self._record(step)
                        self._save()
                    self._end(number)
            if unsaved is not None:  # The input ended before the steps that were asked for.
                record = self._record(unsaved)
                if not self.cadence.logs(unsaved.number):
                    log(record)
                self._save()
                if self.evaluate is not None and not evaluate(unsaved.number):
                    self._end(unsaved.number)
        return logged

    def _record(self, step: Step) -> Record:
        """The step's line in metrics.jsonl; raises DivergedError."""
        result = step.result
        parts = result.parts if len(result.parts) > 1 else {}
        loss, norm = float(result.loss), float(result.gradient_norm)
        if not (math.isfinite(loss) and math.isfinite(norm)):
            what = f"the loss is {loss} and the gradients' norm {norm}"
            raise DivergedError(step.number, what, self._advice(step, loss))
        return {
            "step": step.number,
            "split": "train",
            "loss": loss,
            **{f"{name}_loss": float(value) for name, value in parts.items()},
            "learning_rate": float(step.rate),
            "gradient_norm": norm,
        }

    def _advice(self, step: Step, loss: float) -> str:
        """What to change in the input or the model; nothing where an update may have caused it."""
        suspect = self.suspect()
        if suspect:
            return f"correct the data: {suspect}"
        if step.number > 1:
            return ""
        what = "gradients" if math.isfinite(loss) else "loss"
        return (
            f"look at the weights that the model began with, and at how it computes the {what}: no update came "
            "before, so the learning rate is not the reason"
        )

    def _save(self) -> None:
        self.directory.require_there()
        self.directory.sync_metrics()
        try:
            self.save()
        except ZooError:
            self.directory.require_there()
            raise

    def lacks_evaluation(self) -> bool:
        """Whether the run ended after the save of step ``start`` and before that step's evaluation was done."""
        if not self.start or self.evaluate is None or not self.cadence.evaluates(self.start):
            return False
        return bool(told(self.replicas, self.replicas.rank == 0 and self._is_unevaluated()))

    def _is_unevaluated(self) -> bool:
        path = self.directory.metrics_file
        done = read_metrics(path) if path.exists() else []
        return not any(record["step"] == self.start and record.get("split") == "eval" for record in done)

    def _end(self, number: int) -> NoReturn:
        of = "" if self.stop is None else f" of {self.stop}"
        raise TerminatedError(
            f"{self.title}: stopped by SIGTERM; step {number}{of} is saved in "
            f"{self.directory.path}, and the same command goes on from there"
        )


class _Clock:
    """Where the time since the last reading went, by step."""

    def __init__(self, device_bytes: Callable[[], int | None]) -> None:
        self._device_bytes = device_bytes
        self._began = 0.0
        self._reset()

    def _reset(self) -> None:
        self._steps = self._examples = self._tokens = 0
        self._data = self._compute = self._save = 0.0
        self._files: FileTraffic | None = None

    def watch(self, steps: Generator[Step, None, None]) -> Generator[Step, None, None]:
        """The same steps, timed."""
        while True:
            self._began = time.perf_counter()
            try:
                step = next(steps)
            except StopIteration:
                return
            self._steps += 1
            self._examples += step.examples
            self._tokens += step.tokens or 0
            self._data += step.data_seconds
            self._add(step.result.files)
            self._began += step.data_seconds
            yield step

    def _add(self, files: FileTraffic | None) -> None:
        if files is not None:
            so_far = self._files or FileTraffic(0, 0, 0.0)
            self._files = FileTraffic(
                so_far.read + files.read, so_far.written + files.written, so_far.waited + files.waited
            )

    def computed(self) -> None:
        """The step that was given last is done."""
        self._compute += time.perf_counter() - self._began

    @contextlib.contextmanager
    def saving(self) -> Generator[None, None, None]:
        """Time that goes into a checkpoint."""
        began = time.perf_counter()
        yield
        self._save += time.perf_counter() - began

    def read(self) -> dict[str, float]:
        """Means over the steps since the last reading, and the memory held now."""
        working = max(self._data + self._compute, 1e-9)
        count = max(self._steps, 1)
        on_device = self._device_bytes()
        found = {
            "examples_per_second": self._examples / working,
            **({"tokens_per_second": self._tokens / working} if self._tokens else {}),
            "time/step_seconds": (working + self._save) / count,
            "time/data_seconds": self._data / count,
            **self._of_files(count),
            "time/compute_seconds": (self._compute - (self._files.waited if self._files else 0.0)) / count,
            "time/save_seconds": self._save / count,
            "memory/resident_bytes": float(psutil.Process().memory_info().rss),
            **({} if on_device is None else {"memory/device_bytes": float(on_device)}),
        }
        self._reset()
        return found

    def _of_files(self, count: int) -> dict[str, float]:
        if self._files is None:
            return {}
        return {
            "time/files_seconds": self._files.waited / count,
            "files/read_bytes": self._files.read / count,
            "files/written_bytes": self._files.written / count,
        }


def _numbers(record: Mapping[str, MetricValue]) -> dict[str, float]:
    return {name: value for name, value in record.items() if isinstance(value, float)}
