"""A run in its directory: train, go on where it stopped, evaluate. The frameworks' runners are faces of it."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Collection, Generator, Iterator, Mapping
from pathlib import Path
from typing import Generic, TypeVar

from zoo_common.backend import Array, NotFiniteError
from zoo_common.checkpoint import Checkpoint, SavedWeights
from zoo_common.log import LOG
from zoo_common.replicas import ALONE, Replicas, all_do, least, same, told
from zoo_common.training.agreed import code_hash, state_hash
from zoo_common.training.cadence import EvaluatingWhereSaved, stop_step
from zoo_common.training.differences import leaves
from zoo_common.training.evaluation import Passes
from zoo_common.training.feed import InputFn
from zoo_common.training.learner import Learner, Start
from zoo_common.training.loop import Step
from zoo_common.training.origin import Accepted, Claim, require_accepted
from zoo_common.training.run_directory import RunDirectory
from zoo_common.training.run_storage import RunStorage
from zoo_common.training.saving_parts import save_parts
from zoo_common.training.session import DivergedError, Record, Session, not_finite_after
from zoo_common.training.taking_over import require_origin
from zoo_common.training.train_and_evaluate import EvalSpec
from zoo_common.training.warm_start import WarmStart, hash_of, require_there, source_of

Kind = TypeVar("Kind", bound=Learner)


class Run(Generic[Kind]):
    """One learner, one directory. What is asked of it is answered with the newest checkpoint's weights."""

    def __init__(
        self,
        learner: Kind,
        storage: RunStorage,
        *,
        warm_start_from: WarmStart | None = None,
        accept: Collection[Accepted] = (),
        replicas: Replicas = ALONE,
    ) -> None:
        require_accepted(accept)
        self.replicas = replicas
        self.learner = learner
        self.storage = storage
        self.directory = storage.path
        self.checkpoint: Path | None = None
        """Which checkpoint the model's weights are in, once it has any."""
        self.step = 0
        """That checkpoint's step."""
        self._accept = accept
        self._warm_start_from = warm_start_from
        self._is_ready = False

    def train(
        self,
        input_fn: InputFn | None = None,
        *,
        steps: int | None = None,
        max_steps: int | None = None,
        evaluation: EvalSpec | None = None,
    ) -> list[Record]:
        """Train, from the newest checkpoint if there is one; returns what was logged.

        ``steps`` ends it after so many more, ``max_steps`` after so many in all; with neither a spec says how many,
        or the input ends. ``input_fn`` gives batches, in the place of a spec's data; what has data of its own and
        learns from an ``input_fn`` is evaluated only where ``evaluation`` says on what.

        Raises InputError for data, a directory or a checkpoint that will not do, EnvironmentFault for too little
        memory or disk, DivergedError if the loss is no longer finite (the optimizer's constants and the schedule
        may then change), TerminatedError after a SIGTERM, with what was done saved. What replicas cannot do together
        they all raise; PeerLostError where one has gone.
        """
        learner, replicas = self.learner, self.replicas
        self._require_same(steps, max_steps)
        all_do(replicas, learner.require_trainable)
        source = self._warm_start_from
        claim = Claim(
            learner.fingerprint(),
            learner.feed(input_fn),
            self._accept,
            source_of(source),
            lambda: None if source is None else hash_of(source),
        )
        with (
            self.storage.opened(
                learner.description(), learner.versions(), learner.described, claim
            ) as directory,
            contextlib.ExitStack() as held,
        ):
            newest = all_do(replicas, self._newest)
            if newest is not None:
                held.callback(newest.close)
            same(replicas, "the checkpoint to go on from", _named(newest))
            start = Start(directory, newest, self._warm_start_from)
            done = start.step
            stop = all_do(replicas, lambda: learner.stop(done, steps, max_steps))
            directory.cut_metrics(done)
            session = self._session(directory, done, stop, input_fn, evaluation)
            if stop is not None and done >= stop and not session.lacks_evaluation():
                LOG.info(f"{self.directory}: {learner.nothing_left(start.step, stop)}")
                return []
            own_data = session.evaluate is not None and (evaluation is None or evaluation.input_fn is None)
            self._is_ready = False
            taken = _no_steps()
            if stop is None or done < stop:
                taken = learner.learn(start, input_fn, stop, evaluates=own_data)
                self._note(newest)
            held.close()
            del start, newest  # Files that a streamed model reads from take room until nobody has them.
            try:
                return session.follow(taken)
            except BaseException as error:
                self._is_ready = False  # What the model holds now is of no checkpoint.
                if isinstance(error, DivergedError):
                    directory.note_divergence(error.step)
                    advice = error.advice or learner.way_on(self.directory, self.storage.store.steps())
                    raise DivergedError(error.step, error.what, advice) from error
                raise

    def _require_same(self, steps: int | None, max_steps: int | None) -> None:
        """Raise InputError unless all replicas were started to do the same, by the same code."""
        if self.replicas.size == 1:
            return
        learner = self.learner
        versions = {**learner.versions(), "hash of the code": code_hash()}
        told = ", ".join(f"{name} {each}" for name, each in versions.items())
        same(self.replicas, "the versions", told, versions)
        numbers = {"steps": str(steps), "max_steps": str(max_steps)}
        what = f"{learner.title}, of hash {learner.fingerprint()}, {numbers}"
        same(self.replicas, "what to train", what, {**numbers, **dict(leaves(learner.description()))})

    def _newest(self) -> Checkpoint | None:
        """The checkpoint to go on from, which is this run's own; without one, its source is there."""
        newest = self.storage.store.latest()
        if newest is not None:
            try:
                self.require_own(newest)
            except BaseException:
                newest.close()
                raise
        elif self._warm_start_from is not None:
            require_there(self._warm_start_from)  # Before data are read, and a vocabulary made of them.
        return newest

    def evaluate(self, input_fn: InputFn | None = None, steps: int | None = None) -> dict[str, float]:
        """Loss and metrics over ``input_fn``'s batches, at most ``steps``, or over a spec's evaluation data.

        Raises InputError if there is no checkpoint yet, or no batch.
        """
        return self._evaluate(input_fn, steps, "all")

    def _evaluate(self, input_fn: InputFn | None, steps: int | None, passes: Passes) -> dict[str, float]:
        stop_step(0, steps, None)
        self.load()
        return self.learner.evaluate(input_fn, steps, passes)

    def predict(self, input_fn: InputFn | None) -> Iterator[Mapping[str, Array]]:
        """Outputs by name for one example after the other; errors as ``evaluate``."""
        self.load()
        return self.learner.predict(input_fn)

    def export(self, output: Path, features: object = None) -> Path:
        """Write the newest weights as a program that needs the framework alone.

        Raises InputError if there is no checkpoint yet, or ``output`` is there and no empty directory.
        """
        self.load()

        def export() -> None:
            if self.replicas.rank == 0:
                self.learner.export(output, features, step=self.step)

        all_do(self.replicas, export)
        return output

    def load(self) -> None:
        """Take the newest checkpoint's weights, unless this object has trained or loaded it; InputError if none."""
        if self._is_ready:
            return
        with contextlib.closing(self._newest_weights()) as newest:
            all_do(self.replicas, lambda: self.require_own(newest))
            self.learner.load(newest)
            self._note(newest)

    def _newest_weights(self) -> SavedWeights:
        """Those that replica 0 finds, on all of them."""
        if self.replicas.size == 1:
            return self.storage.newest()
        steps = all_do(self.replicas, lambda: [] if self.replicas.rank else [self.storage.newest().step])
        step = least(self.replicas, steps[0] if steps else sys.maxsize)
        return all_do(self.replicas, lambda: self.storage.store.load_weights(step))

    def require_own(self, checkpoint: SavedWeights) -> None:
        """Raise InputError unless this run saved the checkpoint, and it fits the model as far as that is known."""
        require_origin(
            checkpoint,
            self.directory,
            spec_hash=self.learner.fingerprint(),
            seed=self.learner.seed,
            generator=self.learner.generator,
        )
        self.learner.require_fit(checkpoint)

    def _note(self, checkpoint: SavedWeights | None) -> None:
        """The model is now what this checkpoint has; without one, what it begins with."""
        self._is_ready = True
        if checkpoint is not None:
            self.step, self.checkpoint = checkpoint.step, checkpoint.path

    def _session(
        self,
        directory: RunDirectory,
        start: int,
        stop: int | None,
        input_fn: InputFn | None,
        evaluation: EvalSpec | None,
    ) -> Session:
        learner = self.learner
        cadence, chosen = learner.cadence(start, stop), evaluation or EvalSpec()
        evaluates = evaluation is not None or learner.evaluates(input_fn)
        return Session(
            title=f"{learner.title} ({learner.name})",
            directory=directory,
            cadence=cadence if evaluation is None else EvaluatingWhereSaved(cadence, stop),
            start=start,
            stop=stop,
            save=self._save,
            evaluate=(lambda: self._evaluate(chosen.input_fn, chosen.steps, "one")) if evaluates else None,
            device_bytes=learner.device_bytes,
            suspect=learner.suspect,
            quiet=self.storage.quiet,
            replicas=self.replicas,
        )

    def _save(self) -> None:
        state = all_do(self.replicas, self.learner.export_state)
        if state.is_part:
            rest, fingerprint = self.learner.rest(state.step), self.learner.fingerprint()
            self.checkpoint = save_parts(self.replicas, self.storage.store, state, rest, fingerprint)
            self.step = state.step
            return
        if self.replicas.size > 1:
            same(self.replicas, f"the weights after step {state.step}", f"of the hash {state_hash(state)}")

        def save() -> str:
            if self.replicas.rank:
                return ""
            rest = self.learner.rest(state.step)
            fingerprint = self.learner.fingerprint()
            try:
                path = self.storage.store.save(
                    state.step, state.weights, state.optimizer, rest, fingerprint, state.written
                )
            except NotFiniteError as error:
                raise not_finite_after(state.step, str(error)) from error
            return str(path)

        self.checkpoint = Path(str(told(self.replicas, all_do(self.replicas, save))))
        self.step = state.step


def _no_steps() -> Generator[Step, None, None]:
    """Those of a run that lacks its last evaluation alone."""
    yield from ()


def _named(checkpoint: SavedWeights | None) -> str:
    return (
        "none" if checkpoint is None else f"{checkpoint.path.name}, weights of hash {checkpoint.weights_hash}"
    )
