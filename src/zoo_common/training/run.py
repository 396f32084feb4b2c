"""A spec's run in its directory: train, go on where it stopped, evaluate. The frameworks' runners are faces of it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Collection, Generator, Iterator, Mapping
from itertools import islice
from os import PathLike
from pathlib import Path

from pydantic import JsonValue

from zoo_common.backend import Array, Backend
from zoo_common.checkpoint import Checkpoint, CheckpointStore
from zoo_common.data import Dataset, open_dataset
from zoo_common.data.sources import sources, vocabulary_sources
from zoo_common.data.tokenizer_files import FILE as TOKENIZER
from zoo_common.export import export
from zoo_common.log import LOG
from zoo_common.memory import require_memory
from zoo_common.training.cadence import EvaluatingWhereSaved, stop_step
from zoo_common.training.differences import Fields
from zoo_common.training.evaluation import evaluate, evaluate_batches
from zoo_common.training.feed import InputFn, open_feed
from zoo_common.training.idle import PATIENCE, IdleWatch
from zoo_common.training.loop import Step, require_trainable, run_batches, run_steps
from zoo_common.training.metrics_file import losses, read_metrics
from zoo_common.training.named_batches import named_batches
from zoo_common.training.origin import (
    Accepted,
    Claim,
    TrainedOn,
    require_accepted,
    require_data,
    require_files,
)
from zoo_common.training.own_model import ModeKeys, read_description
from zoo_common.training.run_config import RunConfig
from zoo_common.training.run_directory import RunDirectory
from zoo_common.training.run_storage import RunStorage
from zoo_common.training.session import Cadence, DivergedError, Record, Session
from zoo_common.training.taking_over import not_finite, require_fit, require_origin, state_of
from zoo_common.training.train_and_evaluate import EvalSpec
from zoo_common.training.warm_start import WarmStart, source_of, warm_started
from zoo_spec import load_spec
from zoo_spec.errors import InputError
from zoo_spec.experiment import ExperimentSpec


class Run:
    """One spec, one backend, one directory.

    Without a directory, everything is kept for as long as the object lives.
    """

    def __init__(
        self,
        backend: Backend,
        spec: ExperimentSpec,
        directory: Path | None = None,
        *,
        device: str = "auto",
        quiet: bool = False,
        keep: int = 2,
        warm_start_from: WarmStart | None = None,
        accept: Collection[Accepted] = (),
    ) -> None:
        require_accepted(accept)
        self.backend = backend
        self.spec = spec
        self.graph = spec.graph()
        self.storage = RunStorage(directory, keep=keep, quiet=quiet)
        self.directory = self.storage.path
        self.device = device
        self.quiet = quiet
        self.checkpoint: Path | None = None
        """Which checkpoint the model's weights are in, once it has any."""
        self.step = 0
        """That checkpoint's step."""
        self._accept = accept
        self._warm_start_from = warm_start_from
        self._is_ready = False
        self._evaluation: Dataset | None = None

    @classmethod
    def reopen(
        cls,
        backend: Backend,
        directory: Path,
        *,
        device: str = "auto",
        quiet: bool = False,
        accept: Collection[Accepted] = (),
    ) -> Run:
        """The run that a directory holds; InputError if it holds none."""
        run = RunDirectory(directory)
        run.require()
        return cls(backend, _spec_in(run.spec_file), directory, device=device, quiet=quiet, accept=accept)

    def train(
        self,
        input_fn: InputFn | None = None,
        *,
        steps: int | None = None,
        max_steps: int | None = None,
        evaluation: EvalSpec | None = None,
    ) -> list[Record]:
        """Train up to ``training.steps``, from the newest checkpoint if there is one; returns what was logged.

        ``steps`` ends it after so many more, ``max_steps`` after so many in all. ``input_fn`` gives batches in
        the place of the spec's data, and is evaluated on only where ``evaluation`` says on what.

        Raises InputError for data, a directory or a checkpoint that will not do, EnvironmentFault for too
        little memory or disk, DivergedError if the loss is no longer finite (``training.optimizer`` and
        ``training.schedule`` may then change), TerminatedError after a SIGTERM, with what was done saved.
        """
        if not self.graph.loss_parts:
            outputs = ", ".join(self.graph.outputs)
            raise InputError(f"{self.spec.name} has no loss to train; its outputs are {outputs}")
        require_trainable(self.graph, self.spec.training)
        require_memory(self.spec, self.graph, self.backend.name)
        claim = Claim(
            self.spec.fingerprint(),
            self._spec_feed if input_fn is None else self._own_feed,
            self._accept,
            source_of(self._warm_start_from),
        )
        with self.storage.opened(
            self.spec.resolved(), self.backend.versions(), _resolved_in, claim
        ) as directory:
            dataset = open_dataset(self.spec, self.directory, "train") if input_fn is None else None
            newest = self.storage.store.latest()
            start = newest.step if newest else 0
            stop = self._stop(start, steps, max_steps)
            self._restore(newest, directory)
            directory.cut_metrics(start)
            session = self._session(directory, start, stop, evaluation, has_data=dataset is not None)
            if start >= stop and not session.lacks_evaluation():
                LOG.info(
                    f"{self.directory}: has its {stop} steps already; "
                    "raise training.steps to go on, or give another directory"
                )
                return []
            if session.evaluate is not None and (evaluation is None or evaluation.input_fn is None):
                self._evaluation_data()  # What is wrong with it is said before the first step, not after all.
            about = dataset.description() if dataset is not None else None
            LOG.info(
                f"{self.spec.name} ({self.backend.name}): {self.graph.parameter_count:,} parameters; "
                + (f"{about.source}, {about.samples:,} samples; " if about is not None else "")
                + f"{self.directory}"
                + (f", going on from step {start}" if start else "")
            )
            try:
                return session.follow(self._steps(dataset, input_fn, start, stop))
            except BaseException as error:
                self._is_ready = False  # What the model holds now is of no checkpoint.
                if isinstance(error, DivergedError):
                    directory.note_divergence(error.step)
                    raise DivergedError(error.step, error.what, error.advice or self._way_on()) from error
                raise

    def _way_on(self) -> str:
        """What to do after a divergence."""
        change = "lower training.optimizer.learning_rate, or lengthen the schedule's warm-up, in this command"
        steps = self.storage.store.steps()
        if not steps:
            return f"{change}, which then begins again"
        at = losses(read_metrics(RunDirectory(self.directory).metrics_file)).get(steps[-1])
        loss = "" if at is None else f", of loss {at:.4g}"
        return (
            f"{change}: {self.directory} goes on from its step {steps[-1]}{loss}; where that is beyond help, delete "
            f"{self.storage.store.directory} to begin again there"
        )

    def _spec_feed(self, known: TrainedOn | None) -> TrainedOn:
        """What the spec's data is read from, as it is now."""
        return TrainedOn.of("spec", sources(self.spec.data), known)

    def _own_feed(self, known: TrainedOn | None) -> TrainedOn:
        """What is known of batches that a program gives."""
        return TrainedOn.of("input_fn", vocabulary_sources(self.spec.data), known)

    def require_data(self) -> None:
        """Raise InputError unless the spec's data is what this run was trained on, or that is accepted."""
        require_data(self.directory, self._spec_feed, self._accept)

    def require_vocabulary(self) -> None:
        """Raise InputError unless the user's vocabulary is what it was, where the run keeps none of its own."""
        if not (self.directory / TOKENIZER).exists():
            require_files(self.directory, vocabulary_sources(self.spec.data), self._accept)

    def require_origin(self, checkpoint: Checkpoint) -> None:
        """Raise InputError unless this run saved the checkpoint."""
        training = self.spec.training
        require_origin(
            checkpoint,
            self.directory,
            spec_hash=self.spec.fingerprint(),
            seed=training.seed,
            generator=training.random,
        )

    def _stop(self, start: int, steps: int | None, max_steps: int | None) -> int:
        """The last step; InputError beyond ``training.steps``, where the schedule of the rate ends."""
        end = self.spec.training.steps
        stop = stop_step(start, steps, max_steps)
        if stop is not None and stop > end:
            raise InputError(
                f"{stop} steps in all are asked for, and the spec's training.steps is {end}, where the schedule "
                f"of its learning rate ends; raise training.steps to {stop}"
            )
        return end if stop is None else stop

    def _steps(
        self, dataset: Dataset | None, input_fn: InputFn | None, start: int, stop: int
    ) -> Generator[Step, None, None]:
        training = self.spec.training
        title = f"{self.spec.name} ({self.backend.name})"
        watch = IdleWatch(title, ends=not start)
        if dataset is not None:
            epoch = -(-len(dataset) // training.batch_size)
            watch.patience = min(PATIENCE, epoch, stop) if not start else min(PATIENCE, epoch)
            watch.why = dataset.why_weightless()
            return watch.through(run_steps(self.backend, self.graph, training, dataset, start, stop))
        feed = open_feed(input_fn, {"mode": ModeKeys.TRAIN, "start_step": start}, repeats=True)
        batches = islice(named_batches(feed, self.graph), max(stop - start, 0))
        return watch.through(run_batches(self.backend, self.graph, training, batches, start))

    def _session(
        self, directory: RunDirectory, start: int, stop: int, evaluation: EvalSpec | None, *, has_data: bool
    ) -> Session:
        cadence: Cadence = self.spec.training
        if evaluation is not None:
            cadence = EvaluatingWhereSaved(cadence, stop)
        chosen = evaluation or EvalSpec()
        return Session(
            title=f"{self.spec.name} ({self.backend.name})",
            directory=directory,
            cadence=cadence,
            start=start,
            stop=stop,
            save=lambda: self._save(self.storage.store),
            evaluate=(lambda: self.evaluate(chosen.input_fn, chosen.steps))
            if has_data or evaluation is not None
            else None,
            device_bytes=self.backend.device_bytes,
            quiet=self.quiet,
        )

    def evaluate(self, input_fn: InputFn | None = None, steps: int | None = None) -> dict[str, float]:
        """Loss and metrics over the evaluation data, or over ``input_fn``'s, with the newest weights.

        ``steps`` is how many batches of ``input_fn`` at most. Raises InputError if there is no checkpoint.
        """
        stop_step(0, steps, None)
        self.load()
        if input_fn is None:
            if steps is not None:
                raise InputError(
                    f"steps={steps} goes with an input_fn; the spec's own evaluation data is read as a whole"
                )
            return evaluate(self.backend, self.spec, self.graph, self._evaluation_data())
        feed = open_feed(input_fn, {"mode": ModeKeys.EVAL, "start_step": 0})
        batches = islice(named_batches(feed, self.graph), steps)
        return evaluate_batches(self.backend, self.spec, self.graph, batches)

    def predict(self, input_fn: InputFn | None) -> Iterator[dict[str, Array]]:
        """The graph's outputs by name for one example after the other, with the newest weights.

        Outputs that are one number for a whole batch, such as a loss, are left out.
        """
        self.load()
        feed = open_feed(input_fn, {"mode": ModeKeys.PREDICT, "start_step": 0})
        return self._rows(named_batches(feed, self.graph, labelled=False))

    def _rows(self, batches: Iterator[Mapping[str, Array]]) -> Iterator[dict[str, Array]]:
        for batch in batches:
            outputs = self.backend.predict_step(batch)
            count = len(next(iter(batch.values())))
            rows = {name: value for name, value in outputs.items() if value.shape[:1] == (count,)}
            for index in range(count):
                yield {name: value[index] for name, value in rows.items()}

    def export(self, output: Path) -> Path:
        """Write the newest weights as a program that needs the framework alone; errors as ``zoo_common.export``."""
        self.load()
        export(self.backend, self.spec, RunDirectory(self.directory).served, output, step=self.step)
        return output

    def load(self) -> None:
        """Make the model with the newest checkpoint's weights, unless this object has trained or loaded it.

        Raises InputError if there is no checkpoint.
        """
        if self._is_ready:
            return
        with contextlib.closing(self.storage.newest()) as newest:
            require_memory(self.spec, self.graph, self.backend.name)
            self._restore(newest)

    def _evaluation_data(self) -> Dataset:
        """The held-out examples, opened once."""
        if self._evaluation is None:
            self.require_data()
            self._evaluation = open_dataset(self.spec, self.directory, "eval")
        return self._evaluation

    def _restore(self, checkpoint: Checkpoint | None, directory: RunDirectory | None = None) -> None:
        """Make the model, with the checkpoint's state if there is one, and let go of that.

        Without one it begins in ``directory``, with the weights of another run if that was asked for.
        """
        training = self.spec.training
        if checkpoint is not None:
            self.require_origin(checkpoint)
            require_fit(checkpoint, self.graph, training, self.directory)
        # Without a checkpoint also a model that is there begins anew: it may be of a run that was interrupted.
        if not self._is_ready or checkpoint is None:
            self.backend.initialize(
                self.graph, training, seed=training.seed, dtype=training.precision, device=self.device
            )
            self._is_ready = True
        if checkpoint is not None:
            self.backend.import_state(state_of(checkpoint))
            self.step, self.checkpoint = checkpoint.step, checkpoint.path
            checkpoint.close()
        elif self._warm_start_from is not None and directory is not None:
            own = self.backend.export_state().weights
            weights, beginning = warm_started(own, self._warm_start_from)
            self.backend.set_weights(weights)
            directory.note_beginning(beginning)

    def _save(self, store: CheckpointStore) -> None:
        state = self.backend.export_state()
        broken = [*not_finite(state.weights), *not_finite(state.optimizer)]
        if broken:
            raise DivergedError(state.step, f"{broken[0]} holds NaN or infinity after its update")
        training = self.spec.training
        rest: dict[str, JsonValue] = {
            "step": state.step,
            "framework": self.backend.name,
            "data": {"examples": state.step * training.batch_size},
            "random": {"seed": training.seed, "generator": training.random},
        }
        self.checkpoint = store.save(
            state.step, state.weights, state.optimizer, rest, self.spec.fingerprint()
        )
        self.step = state.step


def _spec_in(file: Path) -> ExperimentSpec:
    own = read_description(file)
    if own is not None:
        raise InputError(
            f"{file.parent}: holds a run of a user's own model, {own.get('model')}; give another directory, or "
            "go on in Python, with the runner that made it"
        )
    return load_spec(file)


def _resolved_in(file: Path) -> Fields:
    return _spec_in(file).resolved()


def spec_of(
    model: ExperimentSpec | str | PathLike[str], config: RunConfig | Mapping[str, object] | None = None
) -> ExperimentSpec:
    """The spec, or the one of this name or file, changed by ``config``, overrides by dotted path.

    A ``RunConfig`` goes with either. Raises SpecError for a spec or an override that will not do, InputError
    for overrides of a spec.
    """
    if isinstance(config, RunConfig):
        return config.applied_to(spec_of(model))
    if not isinstance(model, ExperimentSpec):
        return load_spec(model, [f"{path}={json.dumps(value)}" for path, value in (config or {}).items()])
    if config:
        raise InputError("config goes with a spec's name or file; change the ExperimentSpec itself instead")
    return model


def run_of(
    backend: Backend,
    model: ExperimentSpec | str | PathLike[str],
    model_dir: str | PathLike[str] | None,
    config: RunConfig | Mapping[str, object] | None,
    warm_start_from: WarmStart | None,
) -> Run:
    """A spec's run, for a runner that was given these."""
    said = config if isinstance(config, RunConfig) else RunConfig()
    return Run(
        backend,
        spec_of(model, config),
        said.directory(model_dir),
        device=said.device,
        keep=said.keep_checkpoint_max,
        warm_start_from=warm_start_from,
        accept=said.accept,
    )
