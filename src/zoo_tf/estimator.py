"""The TensorFlow face of a run: ``zoo_torch.runner`` is its twin."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

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
from zoo_tf.backend import TensorFlowBackend
from zoo_tf.model_fn import ModelFn
from zoo_tf.own_model_fn import OwnModelFn


class Estimator:
    """Trains, evaluates and predicts with TensorFlow, by the verbs of tf.estimator: a spec, or a ``model_fn``.

    ``model`` is an ``ExperimentSpec``, a shipped spec's name, a file, or a function
    ``model_fn(features, labels, mode, params) -> EstimatorSpec`` on Keras 3. ``model_dir`` holds everything of
    the run and lets it be continued (a spec's in either framework); without one, a temporary directory does.
    ``config`` is a ``RunConfig`` or, for a spec, overrides by dotted path, such as ``{"training.steps": 100}``.
    ``params`` go to the ``model_fn``. ``warm_start_from`` names a run or a checkpoint whose weights a new run
    begins with.

    Raises InputError for what does not go together. ``docs/migration.md`` says what a ``model_fn`` that was
    written for tf.estimator has to change.
    """

    def __init__(
        self,
        model: ExperimentSpec | str | PathLike[str] | ModelFn,
        model_dir: str | PathLike[str] | None = None,
        config: RunConfig | Mapping[str, object] | None = None,
        params: Mapping[str, Any] | None = None,
        warm_start_from: WarmStart | None = None,
    ) -> None:
        self._run: Run[Learner]
        if callable(model):
            said = RunConfig() if config is None else config
            if not isinstance(said, RunConfig):
                raise InputError("a model_fn has no spec to override; give config=zoo_tf.RunConfig(...)")
            own = OwnModelFn(model, params, said)
            self._run = own_run(own, model_dir, warm_start_from)
            return
        if params is not None:
            raise InputError("params go to a model_fn; a spec's fields are changed by config={'a.b': value}")
        self._run = run_of(TensorFlowBackend(), model, model_dir, config, warm_start_from)
        self.spec = self._run.learner.spec

    def train(
        self, input_fn: InputFn | None = None, steps: int | None = None, max_steps: int | None = None
    ) -> list[dict[str, MetricValue]]:
        """Train, going on from the newest checkpoint; returns what was logged.

        ``input_fn`` is a function that gives batches, as a ``tf.data.Dataset`` or any other iterable; a spec has
        data of its own. ``steps`` are so many more, ``max_steps`` so many in all; with neither a spec trains up
        to ``training.steps``, a ``model_fn`` until its input ends. Batches that are given themselves are gone
        through again and again where a number of steps is asked for.
        """
        return self._run.train(input_fn, steps=steps, max_steps=max_steps)

    def evaluate(self, input_fn: InputFn | None = None, steps: int | None = None) -> dict[str, float]:
        """Loss and metrics with the newest weights, over at most ``steps`` batches; a spec has data of its own."""
        return self._run.evaluate(input_fn, steps)

    def predict(self, input_fn: InputFn) -> Iterator[dict[str, np.ndarray]]:
        """Outputs by name for one example after the other, with the newest weights."""
        return self._run.predict(input_fn)

    def export_saved_model(
        self,
        export_dir: str | PathLike[str],
        serving_input_receiver_fn: Callable[[], Any]
        | Mapping[str, tf.TensorSpec]
        | tf.TensorSpec
        | None = None,
    ) -> Path:
        """Write the newest weights as a SavedModel that TensorFlow loads without this package; returns its path.

        For a ``model_fn`` give its features as ``tf.TensorSpec``s, or a function that gives them; the signature
        ``serving_default`` takes them by name and gives the predictions. A spec has both. Raises InputError if
        the directory is not empty, or there is no checkpoint.
        """
        given = serving_input_receiver_fn
        if given is None and isinstance(self._run.learner, OwnModelFn):
            raise InputError("give the features that the model_fn is to be served with, tf.TensorSpecs")
        return self._run.export(Path(export_dir), given() if callable(given) else given)

    @property
    def model(self) -> keras.Model:
        """The native model of a spec, as it was trained last, or with the newest checkpoint's weights.

        Raises InputError where there is neither, and for a ``model_fn``, whose layers are its own.
        """
        learner = self._run.learner
        if isinstance(learner, OwnModelFn):
            raise InputError("the layers of a model_fn are its own; its weights are in the checkpoints")
        return learner.at_work(self._run.load).model


def train_and_evaluate(estimator: Estimator, train_spec: TrainSpec, eval_spec: EvalSpec) -> dict[str, float]:
    """Train up to ``train_spec.max_steps``, evaluating at each checkpoint; returns the last evaluation."""
    return common.train_and_evaluate(estimator._run, train_spec, eval_spec)
