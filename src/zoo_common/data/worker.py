"""A process that makes batches for the one that started it (``processes.py``), and ends with it."""

from __future__ import annotations

import io
import logging
import os
import pickle
import signal
import sys
import threading
import time
import traceback
import warnings
from dataclasses import dataclass, field
from pathlib import Path

from zoo_common.data.base import Dataset, Example, batch
from zoo_common.data.frames import receive, send
from zoo_common.data.opening import open_dataset
from zoo_common.log import LOG
from zoo_spec.experiment import ExperimentSpec

_LOOKS_EVERY = 1.0
"""Seconds between two looks at who the parent is."""


@dataclass(frozen=True)
class Recipe:
    """What a process makes batches of: the training data of a spec, as the run in this directory has them."""

    spec: ExperimentSpec
    run_dir: Path
    parent: int = field(default_factory=os.getpid)

    def open(self) -> Dataset:
        """The data set; errors are those of ``open_dataset``."""
        return open_dataset(self.spec, self.run_dir, "train")

    def batch(self, dataset: Dataset, step: int) -> Example:
        """The batch of a step."""
        training = self.spec.training
        return batch(dataset, training.seed, step, training.batch_size)


@dataclass(frozen=True)
class Opened:
    """The data are open; they have so many examples."""

    count: int


@dataclass(frozen=True)
class Made:
    """The batch that was asked for."""

    batch: Example


@dataclass(frozen=True)
class Failed:
    """What was raised instead, and where, in words."""

    error: BaseException | Rebuilt
    told: str

    @classmethod
    def by(cls, error: BaseException) -> Failed:
        """As it was raised, or as far as that can be handed over."""
        told = traceback.format_exc()
        for way in (error, Rebuilt(type(error), error.args, dict(error.__dict__))):
            try:
                found = pickle.loads(pickle.dumps(cls(way, told))).raised()
            except Exception:  # Whatever a class of errors raises when one is copied.
                continue
            if type(found) is type(error) and str(found) == str(error):
                return cls(way, told)
        return cls(RuntimeError(f"{type(error).__name__}: {error}"), told)

    def raised(self) -> BaseException:
        """The error, of its own kind and with its own message."""
        error = self.error.error() if isinstance(self.error, Rebuilt) else self.error
        error.add_note(f"raised in a worker process:\n{self.told}")
        return error


@dataclass(frozen=True)
class Rebuilt:
    """An error whose class takes other arguments than it hands on, so that pickle cannot copy it."""

    kind: type[BaseException]
    given: tuple[object, ...]
    fields: dict[str, object]

    def error(self) -> BaseException:
        """The same again."""
        error = self.kind.__new__(self.kind, *self.given)
        error.args = self.given
        error.__dict__.update(self.fields)
        return error


def main() -> None:
    """Read a ``Recipe``, then the numbers of steps, and answer each, until nobody asks any more."""
    asked, answers = _pipes()
    for ignored in (signal.SIGINT, signal.SIGTERM):  # Whoever started it decides, and closes the pipe.
        signal.signal(ignored, signal.SIG_IGN)
    warnings.simplefilter("ignore")  # The one that started it has said all of it.
    LOG.addHandler(logging.NullHandler())
    LOG.propagate = False
    try:
        recipe = receive(asked)
        assert isinstance(recipe, Recipe)
        threading.Thread(target=_end_without, args=(recipe.parent,), daemon=True).start()
        _answer(recipe, asked, answers)
    except (EOFError, BrokenPipeError):
        pass


def _answer(recipe: Recipe, asked: io.FileIO, answers: io.FileIO) -> None:
    try:
        dataset = recipe.open()
    except BaseException as error:
        send(answers, Failed.by(error))
        return
    send(answers, Opened(len(dataset)))
    while True:
        step = receive(asked)
        assert isinstance(step, int)
        answer: Made | Failed
        try:
            answer = Made(recipe.batch(dataset, step))
        except BaseException as error:
            answer = Failed.by(error)
        send(answers, answer)


def _pipes() -> tuple[io.FileIO, io.FileIO]:
    """What is asked and the answers; what anything else prints goes where errors go."""
    asked, answers = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return io.FileIO(asked, "r"), io.FileIO(answers, "w")


def _end_without(parent: int) -> None:
    """End with the parent also where another process that it forked keeps its end of the pipe open."""
    while os.name != "posix" or os.getppid() == parent:
        time.sleep(_LOOKS_EVERY)
    os._exit(0)
