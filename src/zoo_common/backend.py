"""What the common half asks of a framework, and how it finds one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from zoo_spec.errors import EnvironmentFault, InputError
from zoo_spec.frameworks import entries, framework
from zoo_spec.graph import Graph
from zoo_spec.importing import load_entry
from zoo_spec.training import Training

Array = NDArray[np.generic]
Batch = Mapping[str, Array]
Weights = dict[str, Array]


class Scalar(Protocol):
    """A number that may still be on a device; ``float`` waits for it."""

    def __float__(self) -> float: ...


@dataclass(frozen=True)
class StepResult:
    """What a training step gives: the loss, each part's loss by name, and the gradients' norm."""

    loss: Scalar
    parts: Mapping[str, Scalar]
    gradient_norm: Scalar


@dataclass(frozen=True)
class State:
    """Everything that training changes: weights and optimizer moments by canonical name, and the step."""

    weights: Weights
    optimizer: Weights
    step: int


Masks = Literal["own", "native", "portable"]
"""Where dropout's masks come from: the model itself, as where a user trains it; or a training loop, by the
framework's generator or the portable one."""


@dataclass(frozen=True)
class Dropped:
    """One use of a dropout, by its canonical path: what it took, and what it gave."""

    path: str
    before: Array
    after: Array


@dataclass(frozen=True)
class BlockCall:
    """One run of a block: its canonical path, what it was given by position and by keyword, and what it gave.

    All in the layout that the graph declares. A block that gives one tensor calls it ``""``.
    """

    path: str
    given: tuple[Array, ...]
    named: Mapping[str, Array]
    gave: Mapping[str, Array]


@dataclass(frozen=True)
class Exported:
    """A program that a framework wrote to serve a model: its path in the directory, "." for the whole of it.

    ``inputs`` and ``outputs`` are the dtypes by name that it takes and gives.
    """

    program: str
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]


class Backend(Protocol):
    """A framework at work on one model. All arrays come in and go out in canonical names and layouts."""

    name: str

    def initialize(
        self, graph: Graph, training: Training, *, seed: int, dtype: str, device: str = "auto"
    ) -> None:
        """Compile the graph with initial values from ``seed``, and make the optimizer."""

    def train_step(
        self, micro_batches: Sequence[Batch], denominators: Mapping[str, float] | None, rate: float
    ) -> StepResult:
        """One optimizer step. ``denominators`` are each part's over all micro-batches; None: the model's own.

        One of infinity makes the part 0, and its gradients.
        """

    def evaluate_step(self, batch: Batch) -> Weights:
        """All outputs for a batch with labels, without dropout."""

    def call(self, batch: Batch) -> Weights:
        """All outputs of the model as a user calls it: operation by operation, with nothing said of training."""

    def predict_step(self, batch: Batch) -> Weights:
        """All outputs for a batch of features."""

    def gradients(self, batch: Batch) -> Weights:
        """Gradient of the loss by canonical name, without dropout; zeros where the loss does not reach."""

    def apply_gradients(self, gradients: Mapping[str, Array], rate: float) -> None:
        """One optimizer step with these gradients."""

    def dropouts(self, batch: Batch, masks: Masks, at: tuple[int, int]) -> Sequence[Dropped]:
        """What each dropout does in a training pass, those in fused kernels too; weights and buffers may change.

        ``at`` is the step and the micro-batch, counted from 0.
        """

    def block_calls(self, batch: Batch, *, training: bool | None = False) -> Sequence[BlockCall]:
        """Every run of a block, inner ones before those around them.

        In training with the masks of a first micro-batch; None: with nothing said of training.
        """

    def export_state(self) -> State:
        """A copy of everything that training changes."""

    def import_state(self, state: State) -> None:
        """Take over such a copy, from either framework."""

    def set_weights(self, weights: Mapping[str, Array]) -> None:
        """Set all weights and nothing else."""

    def export(self, directory: Path, features: Sequence[str]) -> Exported:
        """Write a program into an empty directory that needs the framework alone and takes these features.

        Raises OSError where the files cannot be written.
        """

    def device_bytes(self) -> int | None:
        """Bytes held on the accelerator; None on a CPU."""

    def versions(self) -> dict[str, str]:
        """Versions of the libraries that it computes with."""


def backends() -> list[str]:
    """Names of the frameworks that there are halves for, installed or not."""
    return list(entries())


def find_backend(name: str) -> type[Backend]:
    """The backend of this name, importing its framework.

    Raises InputError for an unknown name, EnvironmentFault if the framework is not installed or fails to import,
    or what is said of it will not do.
    """
    known = entries()
    if name in known:
        framework(name)  # That what it says of itself will do.
        return cast(type[Backend], load_entry(known[name], "the framework"))
    if not known:
        raise EnvironmentFault(
            "no backend is registered: install this package with pip (pip install dualzoo)"
        )
    raise InputError(f"no framework {name!r}; there are: {', '.join(known)}")
