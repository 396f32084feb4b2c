"""What a run asks of the model that it trains and uses, of which a spec's and a user's own are two kinds."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from pydantic import JsonValue

from zoo_common.backend import Array, State
from zoo_common.checkpoint import Checkpoint, SavedWeights
from zoo_common.training.differences import Fields
from zoo_common.training.evaluation import Passes
from zoo_common.training.feed import InputFn
from zoo_common.training.loop import Step
from zoo_common.training.origin import FeedNow
from zoo_common.training.run_directory import RunDirectory
from zoo_common.training.session import Cadence
from zoo_common.training.warm_start import Choose, WarmStart, warm_started
from zoo_common.weights import WeightSource


class ModeKeys(StrEnum):
    """What a model is called for; the values are tf.estimator's."""

    TRAIN = "train"
    EVAL = "eval"
    PREDICT = "infer"


@dataclass(frozen=True)
class Start:
    """What training goes on from: a checkpoint, or nothing and then another run's weights, if they are asked for."""

    directory: RunDirectory
    checkpoint: Checkpoint | None
    warm_start_from: WarmStart | None

    @property
    def step(self) -> int:
        """Steps done."""
        return self.checkpoint.step if self.checkpoint is not None else 0

    @contextlib.contextmanager
    def beginning(self, own: WeightSource, choose: Choose | None = None) -> Iterator[WeightSource]:
        """What a run without a checkpoint begins with; ``own`` is what the model would. Read it while this lasts.

        ``choose`` says which weights of another run it takes; by default all that are asked for, and those have to
        be there.
        """
        if self.warm_start_from is None:
            yield own
            return
        with warm_started(own, self.warm_start_from, choose) as (weights, beginning):
            yield weights
            self.directory.note_beginning(beginning)


class Learner(Protocol):
    """A model in one framework, its data, and how it is trained. It knows of no checkpoint but those it is given."""

    name: str
    """The framework's."""
    title: str
    """What the model is called in messages."""
    seed: int
    generator: str | None
    """What dropout draws from; None where that is the model's own affair."""

    def versions(self) -> dict[str, str]:
        """Versions of the libraries that it computes with."""

    def device_bytes(self) -> int | None:
        """Bytes held on the accelerator; None on a CPU."""

    def description(self) -> Fields:
        """What it is, as a run's ``spec.yaml`` has it."""

    def described(self, file: Path) -> Fields:
        """A description that was written there; InputError for another kind of learner's."""

    def fingerprint(self) -> str:
        """The hash of what it is."""

    def feed(self, input_fn: InputFn | None) -> FeedNow:
        """Tells from a run's record what it would be trained on now."""

    def require_trainable(self) -> None:
        """Raise InputError where it cannot be trained, EnvironmentFault where it would not fit."""

    def require_fit(self, checkpoint: SavedWeights) -> None:
        """Raise InputError unless a checkpoint of this run has what the model has, as far as that is known."""

    def stop(self, start: int, steps: int | None, max_steps: int | None) -> int | None:
        """The last step; None where the input says. InputError for a number that will not do."""

    def cadence(self, start: int, stop: int | None) -> Cadence:
        """After which steps it is logged, saved and evaluated."""

    def evaluates(self, input_fn: InputFn | None) -> bool:
        """Whether training on this is evaluated though nobody says on what."""

    def nothing_left(self, start: int, stop: int) -> str:
        """What to say of a run that has its steps, and how to go on."""

    def way_on(self, directory: Path, steps: list[int]) -> str:
        """What to do after a divergence, these steps being saved."""

    def learn(
        self, start: Start, input_fn: InputFn | None, stop: int | None, *, evaluates: bool
    ) -> Generator[Step, None, None]:
        """Take over what training goes on from, open the input, and give the steps.

        ``evaluates``: its own evaluation data will be needed. Raises, before a step, InputError for an input or a
        checkpoint that will not do.
        """

    def suspect(self) -> str:
        """What of the input so far was not finite, in words; nothing where that is checked before a step."""

    def load(self, checkpoint: SavedWeights) -> None:
        """Take over a checkpoint's weights, to compute with them. EnvironmentFault where they do not fit."""

    def evaluate(
        self, input_fn: InputFn | None, steps: int | None, passes: Passes = "all"
    ) -> dict[str, float]:
        """Loss and metrics with the weights that it has, over at most ``steps`` batches.

        With one of the ``passes``, in the middle of training, what takes the model more is left out.
        """

    def predict(self, input_fn: InputFn | None) -> Iterator[Mapping[str, Array]]:
        """Outputs by name for one example after the other."""

    def export(self, output: Path, features: object, *, step: int) -> None:
        """Write a program that needs the framework alone, with the weights that it has, of this step."""

    def export_state(self) -> State:
        """A copy of everything that training changes; DivergedError where that must not be saved."""

    def rest(self, step: int) -> dict[str, JsonValue]:
        """What going on from a step needs beside arrays."""
