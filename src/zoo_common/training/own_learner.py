"""A user's own model, as a run trains and uses it; the frameworks say how."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator, Mapping
from dataclasses import replace
from itertools import islice
from os import PathLike
from pathlib import Path

from pydantic import JsonValue

from zoo_common.backend import Array, State
from zoo_common.checkpoint import SavedWeights
from zoo_common.files import explained
from zoo_common.log import LOG
from zoo_common.training.cadence import EverySteps, stop_step
from zoo_common.training.differences import Fields
from zoo_common.training.evaluation import Passes
from zoo_common.training.feed import Feed, InputFn, open_feed
from zoo_common.training.idle import IdleWatch
from zoo_common.training.learner import ModeKeys, Start
from zoo_common.training.loop import Step, timed
from zoo_common.training.numbers import Suspect, warn_unless_finite
from zoo_common.training.origin import FeedNow, TrainedOn
from zoo_common.training.own_description import describe, fingerprint, read_description
from zoo_common.training.run import Run
from zoo_common.training.run_config import RunConfig
from zoo_common.training.run_storage import KEEP, RunStorage
from zoo_common.training.session import Cadence
from zoo_common.training.warm_start import WarmStart
from zoo_spec.errors import InputError


class OwnLearner(ABC):
    """What both frameworks' have. Arrays come in and go out by the framework's own names and layouts."""

    name: str
    generator: str | None = None

    def __init__(
        self, title: str, told_by: Mapping[str, JsonValue], config: RunConfig, params: object = None
    ) -> None:
        if config.train_distribute is not None:
            raise InputError(
                "RunConfig: train_distribute is for specs, whose losses say by what they are divided; of a model of "
                "your own nobody knows that: leave it out, and use the framework's own replicas"
            )
        self.title = title
        self.config = config
        self.params = params
        self.seed = config.seed or 0
        self._description = describe(self.name, told_by, self.seed)
        self._suspect = Suspect()

    @abstractmethod
    def versions(self) -> dict[str, str]:
        """Versions of the libraries that it computes with."""

    @abstractmethod
    def device_bytes(self) -> int | None:
        """Bytes held on the accelerator; None on a CPU."""

    @abstractmethod
    def begin_training(self, start: Start, feed: Feed) -> Iterator[object]:
        """Make what training needs, in the state of ``start``; gives the batches in the form of its steps."""

    @abstractmethod
    def train_step(self, batch: object, index: int, waited: float) -> Step:
        """Step ``index``, counted from 0; the batch was waited for that many seconds."""

    @abstractmethod
    def begin(self, mode: ModeKeys, feed: Feed) -> Iterator[object]:
        """Make what another mode needs, with the newest weights; gives the batches in the form of its steps."""

    @abstractmethod
    def measure(self, batches: Iterator[object]) -> dict[str, float]:
        """``loss``, where it has one, and metrics over these batches."""

    @abstractmethod
    def answer(self, batches: Iterator[object]) -> Iterator[dict[str, Array]]:
        """Outputs by name, one example after the other."""

    @abstractmethod
    def write(self, directory: Path, features: object) -> None:
        """Write a program into an empty directory that needs the framework alone and takes such features."""

    @abstractmethod
    def load(self, checkpoint: SavedWeights) -> None:
        """Take over a checkpoint's weights."""

    @abstractmethod
    def export_state(self) -> State:
        """A copy of everything that training changes."""

    def description(self) -> Fields:
        """What tells it from another model, and the seed."""
        return self._description

    def described(self, file: Path) -> Fields:
        """Such a description; InputError for a spec."""
        found = read_description(file)
        if found is None:
            raise InputError(
                f"{file.parent}: holds a run of a spec, not of a model of yours; give another directory"
            )
        return found

    def fingerprint(self) -> str:
        """The description's."""
        return fingerprint(self._description)

    def feed(self, input_fn: InputFn | None) -> FeedNow:
        """Batches of a program, of which nothing is known."""
        return lambda known: TrainedOn(kind="input_fn")

    def require_trainable(self) -> None:
        """What it lacks shows when training begins."""
        return

    def require_fit(self, checkpoint: SavedWeights) -> None:
        """What does not fit is refused when it is set."""
        return

    def stop(self, start: int, steps: int | None, max_steps: int | None) -> int | None:
        """What is asked for; None where the input says."""
        return stop_step(start, steps, max_steps)

    def cadence(self, start: int, stop: int | None) -> Cadence:
        """The config's."""
        return EverySteps(
            None if stop is None else stop - start,
            self.config.save_checkpoints_steps,
            self.config.log_step_count_steps,
        )

    def evaluates(self, input_fn: InputFn | None) -> bool:
        """Never: it has no data of its own."""
        return False

    def nothing_left(self, start: int, stop: int) -> str:
        """That these are all."""
        return f"has {start} steps, and max_steps is {stop}; nothing to train"

    def way_on(self, directory: Path, steps: list[int]) -> str:
        """A lower rate, and from where it then goes on."""
        then = f"goes on from its step {steps[-1]}" if steps else "begins again"
        return f"give the optimizer a lower learning rate, or a longer warm-up: {directory} {then} then"

    def learn(
        self, start: Start, input_fn: InputFn | None, stop: int | None, *, evaluates: bool
    ) -> Generator[Step, None, None]:
        """Open the input, have what training needs, and give its steps."""
        feed = self._open(ModeKeys.TRAIN, input_fn, start.step, repeats=stop is not None)
        batches = self.begin_training(start, feed)
        LOG.info(f"{self.title} ({self.name}): {start.directory.path}, from step {start.step}")
        return IdleWatch(f"{self.title} ({self.name})").through(self._steps(batches, start.step, stop))

    def _steps(self, batches: Iterator[object], start: int, stop: int | None) -> Generator[Step, None, None]:
        done, count = start, None if stop is None else max(stop - start, 0)
        for index, batch, waited in timed(islice(batches, count), start):
            yield self.train_step(batch, index, waited)
            done = index + 1
        if stop is not None and done < stop:
            LOG.info(f"{self.title}: the input ended after step {done} of {stop}")

    def suspect(self) -> str:
        """What of the training's input so far was not finite."""
        return self._suspect.found

    def evaluate(
        self, input_fn: InputFn | None, steps: int | None, passes: Passes = "all"
    ) -> dict[str, float]:
        """Loss and metrics over at most ``steps`` batches."""
        suspect = Suspect()
        feed = self._open(ModeKeys.EVAL, input_fn, suspect=suspect)
        found = self.measure(islice(self.begin(ModeKeys.EVAL, feed), steps))
        warn_unless_finite(self.title, found, suspect.found)
        return found

    def predict(self, input_fn: InputFn | None) -> Iterator[Mapping[str, Array]]:
        """Outputs by name for one example after the other."""
        return self.answer(self.begin(ModeKeys.PREDICT, self._open(ModeKeys.PREDICT, input_fn)))

    def export(self, output: Path, features: object, *, step: int) -> None:
        """Write the program; InputError if ``output`` is there and no empty directory."""
        if output.exists() and (not output.is_dir() or any(output.iterdir())):
            raise InputError(f"{output}: is there already; give a new or an empty directory")
        with explained("write the export", output):
            self.write(output, features)

    def rest(self, step: int) -> dict[str, JsonValue]:
        """The step, and the seed."""
        return {"step": step, "framework": self.name, "random": {"seed": self.seed}}

    def _open(
        self,
        mode: ModeKeys,
        input_fn: InputFn | None,
        start: int = 0,
        *,
        repeats: bool = False,
        suspect: Suspect | None = None,
    ) -> Feed:
        if mode is ModeKeys.TRAIN:
            self._suspect = suspect = Suspect()
        offered = {"mode": mode, "start_step": start, "params": self.params, "config": self.config}
        feed = open_feed(input_fn, offered, repeats=repeats)
        return feed if suspect is None else replace(feed, look=suspect.look)


def own_run(
    learner: OwnLearner, directory: str | PathLike[str] | None, warm_start_from: WarmStart | None
) -> Run[OwnLearner]:
    """The run of a user's model in a directory; without one, a temporary directory keeps it."""
    config = learner.config
    if config.workers:
        raise InputError(
            f"RunConfig: workers is {config.workers}; a model of one's own learns from the batches of an input_fn, "
            "which is a program's own: leave workers out"
        )
    storage = RunStorage(config.directory(directory), keep=config.keep_checkpoint_max or KEEP)
    return Run(learner, storage, warm_start_from=warm_start_from, accept=config.accept)
