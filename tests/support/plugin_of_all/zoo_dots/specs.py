"""What a spec says of each."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np

from zoo_spec.base import PositiveFloat, PositiveInt, Rate
from zoo_spec.data import Data, FilePath
from zoo_spec.initializers import Initializer
from zoo_spec.tasks.image_classification import ImageClassification
from zoo_spec.tasks.metrics import Metric
from zoo_spec.tasks.predictions import Prediction
from zoo_spec.training.optimizers import Optimizer
from zoo_spec.training.schedules import Schedule


class DotsData(Data):
    """A file with an image a line: its label, then its pixels."""

    kind: Literal["dots"] = "dots"
    file: FilePath
    """The file."""


class TopTwo(Metric):
    """The share of labels that are among the two likeliest."""

    kind = "top_two"


class DotsLabel(Prediction):
    """Pixels on a line; the label."""


class DotsTask(ImageClassification):
    """Image classification that counts the two likeliest."""

    kind: Literal["dots_classification"] = "dots_classification"
    default_data: ClassVar[str] = "dots"

    def metrics(self) -> tuple[Metric, ...]:
        """``top_two``."""
        return (TopTwo("top_two", "logits", "labels"),)

    def prediction(self) -> Prediction:
        """A label for each line."""
        return DotsLabel(("logits",))


class SignSgd(Optimizer):
    """``momentum`` of the gradient; a parameter moves by the rate, against the sign of that."""

    kind: Literal["sign_sgd"] = "sign_sgd"
    learning_rate: PositiveFloat = 0.01
    weight_decay: float = 0.0
    momentum: Rate = 0.5
    """Part of the momentum that is kept."""

    @property
    def moments(self) -> tuple[str, ...]:
        """The momentum."""
        return ("momentum",)


class Staircase(Schedule):
    """Half the rate after every ``every`` steps."""

    kind: Literal["staircase"] = "staircase"
    every: PositiveInt = 2
    """Steps of a stair."""

    def factor(self, step: int, total_steps: int) -> float:
        """A power of a half."""
        return 0.5 ** (step // self.every)


class Checkerboard(Initializer):
    """``value`` and ``-value`` in turn."""

    kind: Literal["checkerboard"] = "checkerboard"
    value: PositiveFloat = 0.25
    """The magnitude."""

    def draw(self, seed: int, name: str, shape: tuple[int, ...]) -> np.ndarray:
        """The signs turn from element to element."""
        signs = 1.0 - 2.0 * (np.indices(shape).sum(axis=0) % 2)
        return (self.value * signs).astype(np.float32)
