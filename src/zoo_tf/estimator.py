"""The TensorFlow face of a run."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from pathlib import Path

import keras

from zoo_common.training.run import Run, spec_of
from zoo_common.training.run_directory import MetricValue
from zoo_spec.experiment import ExperimentSpec
from zoo_tf.backend import TensorFlowBackend


class Estimator:
    """Trains and evaluates a spec with TensorFlow, by the verbs of tf.estimator.

    ``model`` is an ``ExperimentSpec``, a shipped spec's name or a file; ``model_dir`` holds everything of the
    run and lets it be continued, in either framework; without one, a temporary directory does. ``config`` are
    overrides of the spec by dotted path, such as ``{"training.steps": 100}``.
    """

    def __init__(
        self,
        model: ExperimentSpec | str | PathLike[str],
        model_dir: str | PathLike[str] | None = None,
        config: Mapping[str, object] | None = None,
    ) -> None:
        self.spec = spec_of(model, config)
        self._backend = TensorFlowBackend()
        self._run = Run(self._backend, self.spec, None if model_dir is None else Path(model_dir))

    def train(self) -> list[dict[str, MetricValue]]:
        """Train up to ``training.steps``, going on from the newest checkpoint; returns what was logged."""
        return self._run.train()

    def evaluate(self) -> dict[str, float]:
        """Loss and metrics over the evaluation data."""
        return self._run.evaluate()

    @property
    def model(self) -> keras.Model:
        """The native model; there after ``train`` or ``evaluate``."""
        return self._backend.model
