"""``train_and_evaluate``: train, and evaluate at each checkpoint; in the form of tf.estimator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from zoo_common.training.feed import InputFn
from zoo_common.training.run_directory import MetricValue


@dataclass(frozen=True)
class TrainSpec:
    """What to train on, up to how many steps in all; None as for the runner's ``train``."""

    input_fn: InputFn | None = None
    max_steps: int | None = None


@dataclass(frozen=True)
class EvalSpec:
    """What to evaluate on, and on how many batches at most; None is all."""

    input_fn: InputFn | None = None
    steps: int | None = None


class Trains(Protocol):
    """A run, of a spec or of a user's own model."""

    def train(
        self,
        input_fn: InputFn | None,
        *,
        steps: int | None = None,
        max_steps: int | None = None,
        evaluation: EvalSpec | None = None,
    ) -> list[dict[str, MetricValue]]:
        """Train, evaluating at each checkpoint if ``evaluation`` says on what."""

    def evaluate(self, input_fn: InputFn | None, steps: int | None = None) -> dict[str, float]:
        """Evaluate with the newest weights."""


def train_and_evaluate(run: Trains, train_spec: TrainSpec, eval_spec: EvalSpec) -> dict[str, float]:
    """Train up to ``max_steps``, evaluating at each checkpoint; returns the last evaluation.

    A run that has its steps already is evaluated only. The same call again goes on where a killed one was.
    """
    logged = run.train(train_spec.input_fn, max_steps=train_spec.max_steps, evaluation=eval_spec)
    last: Mapping[str, MetricValue] = logged[-1] if logged else {}
    if last.get("split") != "eval":
        return run.evaluate(eval_spec.input_fn, eval_spec.steps)
    return {name: value for name, value in last.items() if isinstance(value, float)}
