"""A user's own model's run in its directory: the same verbs, checkpoints and log as a spec's."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

from pydantic import JsonValue

from zoo_common.backend import Array, State
from zoo_common.checkpoint import Checkpoint
from zoo_common.files import explained
from zoo_common.log import LOG
from zoo_common.training.cadence import EvaluatingWhereSaved, EverySteps, stop_step
from zoo_common.training.differences import Fields
from zoo_common.training.feed import Feed, InputFn, open_feed
from zoo_common.training.idle import IdleWatch
from zoo_common.training.loop import Step, timed
from zoo_common.training.numbers import Suspect, warn_unless_finite
from zoo_common.training.origin import Claim, TrainedOn
from zoo_common.training.own_model import ModeKeys, OwnModel, describe, fingerprint, read_description
from zoo_common.training.run_config import RunConfig
from zoo_common.training.run_storage import RunStorage
from zoo_common.training.session import DivergedError, Record, Session
from zoo_common.training.taking_over import require_origin
from zoo_common.training.train_and_evaluate import EvalSpec
from zoo_common.training.warm_start import WarmStart, source_of, warm_started
from zoo_spec.errors import InputError


class OwnRun:
    """One user's model, one directory."""

    def __init__(
        self,
        model: OwnModel,
        config: RunConfig,
        directory: Path | None,
        *,
        params: object = None,
        warm_start_from: WarmStart | None = None,
    ) -> None:
        self.model = model
        self.config = config
        self.seed = config.seed or 0
        self.storage = RunStorage(directory, keep=config.keep_checkpoint_max)
        self.description = describe(model, self.seed)
        self._params = params
        self._warm_start_from = warm_start_from
        self._is_ready = False

    def train(
        self,
        input_fn: InputFn | None,
        *,
        steps: int | None = None,
        max_steps: int | None = None,
        evaluation: EvalSpec | None = None,
    ) -> list[Record]:
        """Train ``steps`` more, or up to ``max_steps``, or until the input ends; returns what was logged.

        Raises InputError for an input, a directory or a checkpoint that will not do, and else what
        ``Session.follow`` raises.
        """
        claim = Claim(
            fingerprint(self.description),
            lambda known: TrainedOn(kind="input_fn"),
            self.config.accept,
            source_of(self._warm_start_from),
        )
        with self.storage.opened(
            self.description, self.model.versions(), _description_in, claim
        ) as directory:
            newest = self.storage.store.latest()
            start = newest.step if newest else 0
            stop = stop_step(start, steps, max_steps)
            directory.cut_metrics(start)
            self._restore(newest)
            every = EverySteps(
                None if stop is None else stop - start,
                self.config.save_checkpoints_steps,
                self.config.log_step_count_steps,
            )
            suspect = Suspect()
            session = Session(
                title=f"{self.model.title} ({self.model.name})",
                directory=directory,
                cadence=every if evaluation is None else EvaluatingWhereSaved(every, stop),
                start=start,
                stop=stop,
                save=self._save,
                evaluate=None
                if evaluation is None
                else lambda: self.evaluate(evaluation.input_fn, evaluation.steps),
                device_bytes=self.model.device_bytes,
                suspect=lambda: suspect.found,
            )
            if stop is not None and start >= stop and not session.lacks_evaluation():
                LOG.info(f"{self.storage.path}: has {start} steps, and max_steps is {stop}; nothing to train")
                return []
            feed = self._open(ModeKeys.TRAIN, input_fn, start, suspect, repeats=stop is not None)
            batches = self.model.begin(ModeKeys.TRAIN, feed)
            if newest is None and self._warm_start_from is not None:
                weights, beginning = warm_started(self.model.weights(), self._warm_start_from)
                self.model.set_weights(weights)
                directory.note_beginning(beginning)
            LOG.info(f"{self.model.title} ({self.model.name}): {self.storage.path}, from step {start}")
            watch = IdleWatch(f"{self.model.title} ({self.model.name})")
            try:
                return session.follow(watch.through(self._steps(batches, start, stop)))
            except BaseException as error:
                self._is_ready = False  # What the model holds now is of no checkpoint.
                if isinstance(error, DivergedError):
                    raise DivergedError(error.step, error.what, error.advice or self._way_on()) from error
                raise

    def _way_on(self) -> str:
        """What to do after a divergence."""
        steps = self.storage.store.steps()
        then = f"goes on from its step {steps[-1]}" if steps else "begins again"
        return (
            f"give the optimizer a lower learning rate, or a longer warm-up: {self.storage.path} {then} then"
        )

    def evaluate(self, input_fn: InputFn | None, steps: int | None = None) -> dict[str, float]:
        """Loss and metrics over at most ``steps`` batches, with the newest weights.

        Raises InputError if there is no checkpoint yet, or no batch.
        """
        stop_step(0, steps, None)
        suspect = Suspect()
        found = self.model.evaluate(islice(self._begin(ModeKeys.EVAL, input_fn, suspect), steps))
        warn_unless_finite(self.model.title, found, suspect.found)
        return found

    def predict(self, input_fn: InputFn | None) -> Iterator[dict[str, Array]]:
        """Outputs by name for one example after the other, with the newest weights; errors as ``evaluate``."""
        return self.model.predict(self._begin(ModeKeys.PREDICT, input_fn))

    def export(self, output: Path, features: object) -> Path:
        """Write the newest weights as a program that needs the framework alone.

        Raises InputError if there is no checkpoint yet, or ``output`` is there and no empty directory.
        """
        if output.exists() and (not output.is_dir() or any(output.iterdir())):
            raise InputError(f"{output}: is there already; give a new or an empty directory")
        self.load()
        with explained("write the export", output):
            self.model.export(output, features)
        return output

    def load(self) -> None:
        """Take the newest checkpoint's state, unless this object has trained or loaded it; InputError if none."""
        if not self._is_ready:
            self._restore(self.storage.newest())

    def _begin(
        self, mode: ModeKeys, input_fn: InputFn | None, suspect: Suspect | None = None
    ) -> Iterator[object]:
        self.load()
        return self.model.begin(mode, self._open(mode, input_fn, 0, suspect or Suspect()))

    def _open(
        self, mode: ModeKeys, input_fn: InputFn | None, start: int, suspect: Suspect, *, repeats: bool = False
    ) -> Feed:
        offered = {"mode": mode, "start_step": start, "params": self._params, "config": self.config}
        return replace(open_feed(input_fn, offered, repeats=repeats), look=suspect.look)

    def _steps(self, batches: Iterator[object], start: int, stop: int | None) -> Generator[Step, None, None]:
        done, count = start, None if stop is None else max(stop - start, 0)
        for index, batch, waited in timed(islice(batches, count), start):
            yield self.model.train_step(batch, index, waited)
            done = index + 1
        if stop is not None and done < stop:
            LOG.info(f"{self.model.title}: the input ended after step {done} of {stop}")

    def _restore(self, checkpoint: Checkpoint | None) -> None:
        if checkpoint is None:
            self.model.restore(None)
        else:
            require_origin(
                checkpoint,
                self.storage.path,
                spec_hash=fingerprint(self.description),
                seed=self.seed,
                generator=None,
            )
            self.model.restore(State(checkpoint.weights(), checkpoint.optimizer(), checkpoint.step))
            checkpoint.close()
        self._is_ready = True

    def _save(self) -> None:
        state = self.model.export_state()
        rest: dict[str, JsonValue] = {
            "step": state.step,
            "framework": self.model.name,
            "random": {"seed": self.seed},
        }
        self.storage.store.save(
            state.step, state.weights, state.optimizer, rest, fingerprint(self.description)
        )


def _description_in(file: Path) -> Fields:
    found = read_description(file)
    if found is None:
        raise InputError(
            f"{file.parent}: holds a run of a spec, not of a model of yours; give another directory"
        )
    return found
