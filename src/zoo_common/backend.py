"""What the common half asks of a framework, and how it finds one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from inspect import isclass
from pathlib import Path
from typing import Literal, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from zoo_common.replicas import ALONE, Environment, MicroBatch, Replicas
from zoo_common.weights import Entry, Part, WeightSource, as_source
from zoo_spec.errors import EnvironmentFault, InputError
from zoo_spec.frameworks import entries, framework
from zoo_spec.graph import Graph
from zoo_spec.importing import lacking, load_entry
from zoo_spec.reading import printable
from zoo_spec.training import Training

Array = NDArray[np.generic]
Batch = Mapping[str, Array]
Weights = dict[str, Array]


class Scalar(Protocol):
    """A number that may still be on a device; ``float`` waits for it."""

    def __float__(self) -> float: ...


@dataclass(frozen=True)
class FileTraffic:
    """Bytes that went from files and to them, and the seconds for which the computing stood still for them."""

    read: int
    written: int
    waited: float


@dataclass(frozen=True)
class StepResult:
    """What a training step gives: the loss, each part's loss by name, and the gradients' norm.

    ``files`` is what of weights and moments went through files in it, where these are streamed.
    """

    loss: Scalar
    parts: Mapping[str, Scalar]
    gradient_norm: Scalar
    files: FileTraffic | None = None


@dataclass(frozen=True)
class State:
    """Everything that training changes: weights and optimizer moments by canonical name, and the step."""

    weights: Mapping[str, Array]
    optimizer: Mapping[str, Array]
    step: int
    written: Written | None = None
    """Which of these lie in files already, that a save takes as they are."""
    is_part: bool = False
    """Whether this is one replica's share of the tensors: all of them together have each once."""

    @property
    def unwritten_weights(self) -> Mapping[str, Array]:
        """The weights that are in no file."""
        return self.weights if self.written is None else _without(self.weights, self.written.weights)

    @property
    def unwritten_optimizer(self) -> Mapping[str, Array]:
        """The moments that are in no file."""
        return self.optimizer if self.written is None else _without(self.optimizer, self.written.optimizer)


@dataclass(frozen=True)
class Written:
    """Files with a part of a state, in the form of a checkpoint's, which a model whose weights are streamed wrote."""

    weights: Sequence[WrittenFile]
    optimizer: Sequence[WrittenFile]


class WrittenFile(Protocol):
    """One of them."""

    @property
    def entries(self) -> Mapping[str, Entry]:
        """What it has, by name."""

    def place(self) -> tuple[Path, bool]:
        """Where it is, and whether it may be moved; else it is a checkpoint's already, and may be linked to."""

    def content(self) -> Iterator[bytes | memoryview]:
        """Its bytes, read to the end and found to be what was written.

        Raises EnvironmentFault where they are not, NotFiniteError where a tensor holds NaN or infinity.
        """

    def moved(self, path: Path) -> None:
        """Told that a save put it there: from now on it is read there, and never written to."""


class NotFiniteError(ValueError):
    """A tensor holds NaN or infinity; the message is its name."""


@dataclass(frozen=True)
class Streaming:
    """That a model's weights are streamed.

    ``folder`` is where working files go, which nobody else writes to; None: a temporary one, for as long as the model
    lives. ``limit`` are the bytes of memory that may be taken; None: what is free.
    """

    folder: Path | None = None
    limit: int | None = None


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

    ``inputs`` and ``outputs`` are the dtypes by name that it takes and gives. ``left_out`` is what the form cannot
    carry, beside inputs, a line each.
    """

    program: str
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]
    left_out: tuple[str, ...] = ()


class InferenceModel(Protocol):
    """A model at work, which computes and learns nothing.

    All arrays come in and go out in canonical names and layouts.
    """

    name: str
    """The framework's."""

    def evaluate_step(self, batch: Batch) -> Weights:
        """All outputs for a batch with labels, without dropout."""

    def predict_step(self, batch: Batch) -> Weights:
        """All outputs for a batch of features."""

    def call(self, batch: Batch) -> Weights:
        """All outputs of the model as a user calls it: operation by operation, with nothing said of training."""

    def set_weights(self, weights: Mapping[str, Array]) -> None:
        """Set all weights and nothing else; those of a ``WeightSource`` are read one at a time.

        Raises InputError, changing nothing, unless every name and every shape fits.
        """

    def export(self, directory: Path, features: Sequence[str], format: str) -> Exported:
        """Write a program into an empty directory that takes these features.

        ``format`` is one of the ``exports`` of the file beside the backend. Raises InputError for another, and
        OSError where the files cannot be written.
        """

    def device_bytes(self) -> int | None:
        """Bytes held on the accelerator; None on a CPU."""


class TrainingModel(InferenceModel, Protocol):
    """A model that learns: its optimizer beside it, and gradients."""

    def train_step(
        self,
        micro_batches: Sequence[MicroBatch | Batch],
        denominators: Mapping[str, float] | None,
        rate: float,
    ) -> StepResult:
        """One optimizer step. ``denominators`` are each part's over all micro-batches; None: the model's own.

        One of infinity makes the part 0, and its gradients. Of several replicas each gives its own rows, or none; the
        gradients are summed over all of them, and the result is that of the whole on each.
        """

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
        """A copy of everything that training changes; of what is in files, sources that hold until the next step."""

    def import_optimizer(self, optimizer: Mapping[str, Array], step: int) -> None:
        """Take over the optimizer of such a copy, from either framework, one moment at a time.

        Raises InputError, changing nothing, unless every moment is there in its shape.
        """


class Backend(Protocol):
    """A framework: what it makes of a graph. ``weights`` are read one at a time, as the model is filled."""

    name: str

    def for_inference(
        self,
        graph: Graph,
        weights: WeightSource,
        *,
        dtype: str,
        device: str = "auto",
        tf32: bool = False,
        streaming: Streaming | None = None,
    ) -> InferenceModel:
        """The graph with these weights, to compute with: no optimizer and no gradients.

        ``streaming`` where a layer at a time is in memory; then ``weights`` that last are read when they are needed,
        and others are written to working files. Raises EnvironmentFault where the framework cannot stream.
        """

    def for_training(
        self,
        graph: Graph,
        training: Training,
        weights: WeightSource,
        *,
        dtype: str,
        device: str = "auto",
        working: Path | None = None,
        replicas: Replicas = ALONE,
    ) -> TrainingModel:
        """The graph with these weights and the optimizer, which has not taken a step yet.

        ``replicas`` are those that ``join`` gave; all of them make one, of the same weights.

        ``working`` is where the files go in which a training that streams has its weights and moments, which nobody
        else writes to; without it they are in a temporary folder. Raises EnvironmentFault where ``training`` streams
        and the framework cannot.
        """

    def join(self, environment: Environment) -> Replicas:
        """Meet the other replicas, before anything is computed.

        Raises PeerLostError where one does not come in time, EnvironmentFault where there can be no replicas, or the
        address to meet at is taken.
        """

    def versions(self) -> dict[str, str]:
        """Versions of the libraries that it computes with."""


def _without(tensors: Mapping[str, Array], files: Sequence[WrittenFile]) -> WeightSource:
    names = {name for file in files for name in file.entries}
    return Part(as_source(tensors), [name for name in tensors if name not in names])


def refuse_streaming(framework: str, streams: bool) -> None:
    """Raise EnvironmentFault where weights are to be streamed, for a framework that has nothing to do it with."""
    if streams:
        raise EnvironmentFault(
            f"{framework} cannot stream weights; set training.execution to 'resident', or take another framework"
        )


def import_state(model: TrainingModel, state: State) -> None:
    """Have a model be what another was, of either framework, when that gave its state."""
    model.set_weights(state.weights)
    model.import_optimizer(state.optimizer, state.step)


def state_of(model: TrainingModel) -> State:
    """What a model is now, in memory, whatever becomes of it."""
    state = model.export_state()
    return state if state.written is None else State(dict(state.weights), dict(state.optimizer), state.step)


def backends() -> list[str]:
    """Names of the frameworks that there are halves for, installed or not."""
    return list(entries())


def find_backend(name: str) -> type[Backend]:
    """The backend of this name, importing its framework.

    Raises InputError for an unknown name, EnvironmentFault if the framework is not installed or fails to import,
    or what is said of it will not do, or if its backend lacks a method.
    """
    known = entries()
    if name in known:
        framework(name)  # That what it says of itself will do.
        return _held_to_the_protocol(load_entry(known[name], "the framework"), known[name])
    if not known:
        raise EnvironmentFault(
            "no backend is registered: install this package with pip (pip install dualzoo)"
        )
    raise InputError(f"no framework {name!r}; there are: {', '.join(known)}")


def _held_to_the_protocol(found: object, entry: EntryPoint) -> type[Backend]:
    lacks = [*lacking(found, Backend)] if isclass(found) else ["a class"]
    if lacks:
        raise EnvironmentFault(
            f"the framework {printable(entry.name)} ({printable(entry.value)}) lacks {', '.join(lacks)}; mend or "
            "uninstall it (zoo_common.backend has the protocol)"
        )
    return cast(type[Backend], found)
