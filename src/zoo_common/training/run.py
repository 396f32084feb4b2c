"""A spec's run in its directory: train, go on where it stopped, evaluate. The frameworks' runners are faces of it."""

from __future__ import annotations

import contextlib
import json
import math
import platform
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from os import PathLike
from pathlib import Path

import yaml
from pydantic import JsonValue

from zoo_common.backend import Backend, State
from zoo_common.checkpoint import Checkpoint, CheckpointStore
from zoo_common.data import Dataset, open_dataset
from zoo_common.log import LOG, logging_to
from zoo_common.memory import require_memory
from zoo_common.report.progress import Reporter, format_metrics
from zoo_common.training.evaluation import evaluate
from zoo_common.training.loop import Step, require_parameters, run_steps
from zoo_common.training.run_directory import MetricValue, RunDirectory
from zoo_spec import load_spec
from zoo_spec.errors import InputError, ZooError
from zoo_spec.experiment import ExperimentSpec


class DivergedError(ZooError):
    """The loss or the gradients are no longer finite (exit status 1)."""


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
    ) -> None:
        self.backend = backend
        self.spec = spec
        self.graph = spec.graph()
        self._own = None if directory is not None else tempfile.TemporaryDirectory(prefix="zoo-")
        self.directory = directory if directory is not None else Path(self._own.name if self._own else "")
        self.device = device
        self.quiet = quiet
        self._is_ready = False
        self._evaluation: Dataset | None = None

    @classmethod
    def reopen(cls, backend: Backend, directory: Path, *, device: str = "auto", quiet: bool = False) -> Run:
        """The run that a directory holds; InputError if it holds none."""
        run = RunDirectory(directory)
        run.require()
        return cls(backend, load_spec(run.spec_file), directory, device=device, quiet=quiet)

    def train(self) -> list[dict[str, MetricValue]]:
        """Train up to ``training.steps``, from the newest checkpoint if there is one; returns what was logged.

        Raises InputError for data, a directory or a checkpoint that will not do, EnvironmentFault for too
        little memory or disk, DivergedError if the loss is no longer finite.
        """
        if not self.graph.loss_parts:
            outputs = ", ".join(self.graph.outputs)
            raise InputError(f"{self.spec.name} has no loss to train; its outputs are {outputs}")
        require_parameters(self.graph)
        require_memory(self.spec, self.graph)
        training = self.spec.training
        with self._nothing_left_behind(), self._opened() as directory:
            dataset = open_dataset(self.spec, self.directory, "train")
            store = CheckpointStore(directory.checkpoints)
            start = self._restore(store.latest())
            directory.cut_metrics(start)
            if start >= training.steps:
                LOG.info(
                    f"{self.directory}: has its {training.steps} steps already; "
                    "raise training.steps to go on, or give another directory"
                )
                return []
            self._evaluation_data()  # What is wrong with it is said before the first step, not after the last.
            about = dataset.description()
            LOG.info(
                f"{self.spec.name} ({self.backend.name}): {self.graph.parameter_count:,} parameters; "
                f"{about.source}, {about.samples:,} samples; {self.directory}"
                + (f", going on from step {start}" if start else "")
            )
            return self._loop(directory, store, dataset, start)

    def _loop(
        self, directory: RunDirectory, store: CheckpointStore, dataset: Dataset, start: int
    ) -> list[dict[str, MetricValue]]:
        training = self.spec.training
        logged: list[dict[str, MetricValue]] = []

        def log(record: dict[str, MetricValue]) -> None:
            directory.append_metrics(record)
            logged.append(record)

        title = f"{self.spec.name} ({self.backend.name})"
        steps = run_steps(self.backend, self.graph, training, dataset, start, training.steps)
        with Reporter(title, start, training.steps, quiet=self.quiet) as reporter, contextlib.closing(steps):
            for step in steps:
                number = step.number
                looks = training.logs(number) or training.saves(number) or training.evaluates(number)
                record = self._record(step) if looks else None
                reporter.step(step, float(step.result.loss) if training.logs(number) else None)
                if record is not None and training.logs(number):
                    log(record)
                if training.evaluates(number):
                    metrics = self.evaluate()
                    log({"step": number, "split": "eval", **metrics})
                    LOG.info(f"{title}: step {number}: evaluation: {format_metrics(metrics)}")
                if training.saves(number):
                    self._save(store)
        return logged

    def evaluate(self) -> dict[str, float]:
        """Loss and metrics over the evaluation data, with the newest weights."""
        if not self._is_ready:
            newest = CheckpointStore(RunDirectory(self.directory).checkpoints).latest()
            if newest is None:
                raise InputError(f"{self.directory}: has no checkpoint to evaluate; train first")
            require_memory(self.spec, self.graph)
            self._restore(newest)
        return evaluate(self.backend, self.spec, self.graph, self._evaluation_data())

    def _evaluation_data(self) -> Dataset:
        """The held-out examples, opened once."""
        if self._evaluation is None:
            self._evaluation = open_dataset(self.spec, self.directory, "eval")
        return self._evaluation

    @contextlib.contextmanager
    def _nothing_left_behind(self) -> Iterator[None]:
        """If the run fails before its first step is saved, the directory that it began goes again."""
        begins = not self.directory.exists()
        try:
            yield
        except ZooError:
            if begins and not CheckpointStore(RunDirectory(self.directory).checkpoints).steps():
                shutil.rmtree(self.directory, ignore_errors=True)
            raise

    @contextlib.contextmanager
    def _opened(self) -> Iterator[RunDirectory]:
        values = self.spec.resolved()
        text = yaml.safe_dump(values, sort_keys=False, default_flow_style=None, allow_unicode=True)
        own = {"dualzoo": version("dualzoo"), "python": platform.python_version()}
        with (
            RunDirectory(self.directory).open(
                spec=values,
                spec_text=text,
                versions={**own, **self.backend.versions()},
                read_spec=lambda path: load_spec(path).resolved(),
            ) as directory,
            logging_to(directory.log_file, console=not self.quiet),
        ):
            yield directory

    def _restore(self, checkpoint: Checkpoint | None) -> int:
        """Make the model, with the checkpoint's state if there is one; returns the steps done."""
        training = self.spec.training
        # Without a checkpoint also a model that is there begins anew: it may be of a run that was interrupted.
        if not self._is_ready or checkpoint is None:
            self.backend.initialize(
                self.graph, training, seed=training.seed, dtype=training.precision, device=self.device
            )
            self._is_ready = True
        if checkpoint is None:
            return 0
        state = State(checkpoint.weights(), checkpoint.optimizer(), checkpoint.step)
        self.backend.import_state(state)
        return checkpoint.step

    def _save(self, store: CheckpointStore) -> None:
        state = self.backend.export_state()
        training = self.spec.training
        rest: dict[str, JsonValue] = {
            "step": state.step,
            "framework": self.backend.name,
            "data": {"examples": state.step * training.batch_size},
            "random": {"seed": training.seed, "generator": training.random},
        }
        store.save(state.step, state.weights, state.optimizer, rest, self.spec.fingerprint())

    def _record(self, step: Step) -> dict[str, MetricValue]:
        parts = step.result.parts if len(step.result.parts) > 1 else {}
        losses = {f"{name}_loss": float(value) for name, value in parts.items()}
        loss, norm = float(step.result.loss), float(step.result.gradient_norm)
        if not (math.isfinite(loss) and math.isfinite(norm)):
            raise DivergedError(
                f"step {step.number}: the loss is {loss} and the gradients' norm {norm}; nothing of this was "
                "saved. Lower training.optimizer.learning_rate, or lengthen the warm-up"
            )
        return {
            "step": step.number,
            "split": "train",
            "loss": loss,
            **losses,
            "learning_rate": step.rate,
            "gradient_norm": norm,
        }


def spec_of(
    model: ExperimentSpec | str | PathLike[str], config: Mapping[str, object] | None = None
) -> ExperimentSpec:
    """The spec, or the one of this name or file, changed by ``config``, overrides by dotted path.

    Raises SpecError for a spec or an override that will not do, InputError for overrides of a spec.
    """
    if not isinstance(model, ExperimentSpec):
        return load_spec(model, [f"{path}={json.dumps(value)}" for path, value in (config or {}).items()])
    if config:
        raise InputError("config goes with a spec's name or file; change the ExperimentSpec itself instead")
    return model


def losses(logged: Sequence[Mapping[str, MetricValue]], split: str = "train") -> dict[int, float]:
    """The loss by step of what ``train`` returned or ``metrics.jsonl`` holds."""
    found = {}
    for record in logged:
        step, loss = record.get("step"), record.get("loss")
        if record.get("split") == split and isinstance(step, int) and isinstance(loss, float):
            found[step] = loss
    return found
