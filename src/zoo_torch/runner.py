"""The torch face of a run: ``zoo_tf.estimator`` is its twin."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from os import PathLike
from pathlib import Path

import numpy as np
from torch import nn

from zoo_common.training import train_and_evaluate as common
from zoo_common.training.feed import InputFn
from zoo_common.training.learner import Learner
from zoo_common.training.own_learner import own_run
from zoo_common.training.run import Run
from zoo_common.training.run_config import RunConfig
from zoo_common.training.run_directory import MetricValue
from zoo_common.training.spec_run import run_of
from zoo_common.training.train_and_evaluate import EvalSpec, TrainSpec
from zoo_common.training.warm_start import WarmStart
from zoo_spec.errors import InputError
from zoo_spec.experiment import ExperimentSpec
from zoo_torch.backend import TorchBackend
from zoo_torch.own_module import Loss, OptimizerFactory, OwnModule, SchedulerFactory


class Runner:
    """Trains, evaluates and predicts with PyTorch: a spec, or a module of the user's own.

    ``model`` is an ``ExperimentSpec``, a shipped spec's name, a file, or an ``nn.Module``. ``model_dir`` holds
    everything of the run and lets it be continued (a spec's in either framework); without one, a temporary
    directory does. ``config`` is a ``RunConfig`` or, for a spec, overrides by dotted path, such as
    ``{"training.steps": 100}``. ``warm_start_from`` names a run or a checkpoint whose weights a new run begins
    with.

    The rest is for a module of one's own. ``loss(outputs, labels)`` gives a scalar; without it the module
    returns a dictionary that has ``loss``. ``optimizer(parameters)`` makes a torch optimizer, and
    ``scheduler(optimizer)`` a scheduler of its rate, which steps once a step. ``metrics`` are functions of
    (outputs, labels) by name, each a mean over the batch, or a value an example. Batches are pairs of features
    and labels, or dictionaries, whose values go to the module by name; ``labels`` are then the dictionary.

    Raises InputError for what does not go together; ``docs/runners.md`` has examples.
    """

    def __init__(
        self,
        model: ExperimentSpec | str | PathLike[str] | nn.Module,
        model_dir: str | PathLike[str] | None = None,
        config: RunConfig | Mapping[str, object] | None = None,
        *,
        loss: Loss | None = None,
        optimizer: OptimizerFactory | None = None,
        scheduler: SchedulerFactory | None = None,
        metrics: Mapping[str, Loss] | None = None,
        warm_start_from: WarmStart | None = None,
    ) -> None:
        self._run: Run[Learner]
        if isinstance(model, nn.Module):
            said = RunConfig() if config is None else config
            if not isinstance(said, RunConfig):
                raise InputError("a module of your own has no spec to override; give config=RunConfig(...)")
            own = OwnModule(
                model, loss=loss, optimizer=optimizer, scheduler=scheduler, metrics=metrics or {}, config=said
            )
            self._run = own_run(own, model_dir, warm_start_from)
            return
        given = {"loss": loss, "optimizer": optimizer, "scheduler": scheduler, "metrics": metrics}
        taken = [name for name, value in given.items() if value is not None]
        if taken:
            raise InputError(f"{', '.join(taken)}: the spec says that; this is for a module of your own")
        self._run = run_of(TorchBackend(), model, model_dir, config, warm_start_from)
        self.spec = self._run.learner.spec

    def train(
        self, input_fn: InputFn | None = None, steps: int | None = None, max_steps: int | None = None
    ) -> list[dict[str, MetricValue]]:
        """Train, going on from the newest checkpoint; returns what was logged.

        ``input_fn`` is a function that gives batches, or the batches themselves (a ``DataLoader``); a spec has
        data of its own. ``steps`` are so many more, ``max_steps`` so many in all; with neither a spec trains up
        to ``training.steps``, a module until its input ends. Batches that are given themselves are gone through
        again and again where a number of steps is asked for.
        """
        return self._run.train(input_fn, steps=steps, max_steps=max_steps)

    def evaluate(self, input_fn: InputFn | None = None, steps: int | None = None) -> dict[str, float]:
        """Loss and metrics with the newest weights, over at most ``steps`` batches; a spec has data of its own."""
        return self._run.evaluate(input_fn, steps)

    def predict(self, input_fn: InputFn) -> Iterator[dict[str, np.ndarray]]:
        """Outputs by name for one example after the other, with the newest weights."""
        return self._run.predict(input_fn)

    def export(self, export_dir: str | PathLike[str], features: object = None) -> Path:
        """Write the newest weights as a ``torch.export`` program that torch loads without this package.

        For a module of one's own give example features, at least two examples: a tensor, or tensors by name.
        Raises InputError if the directory is not empty, or there is no checkpoint.
        """
        if features is None and isinstance(self._run.learner, OwnModule):
            raise InputError("give example features that the module is to be served with, tensors")
        return self._run.export(Path(export_dir), features)

    @property
    def model(self) -> nn.Module:
        """The native model; of a spec, as it was trained last, or with the newest checkpoint's weights.

        Raises InputError for a spec's that has neither.
        """
        learner = self._run.learner
        return learner.model if isinstance(learner, OwnModule) else learner.at_work(self._run.load).model


def train_and_evaluate(runner: Runner, train_spec: TrainSpec, eval_spec: EvalSpec) -> dict[str, float]:
    """Train up to ``train_spec.max_steps``, evaluating at each checkpoint; returns the last evaluation."""
    return common.train_and_evaluate(runner._run, train_spec, eval_spec)
