"""A short rehearsal of a training run: what would fail late fails here, in seconds."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from zoo_common.backend import Batch, find_backend
from zoo_common.data import batch, open_dataset
from zoo_common.data.base import Split
from zoo_common.data.generated import open_generated
from zoo_common.memory import available_bytes, require_memory, training_bytes
from zoo_common.training.denominators import denominators
from zoo_common.training.loop import require_trainable
from zoo_common.training.spec_beginning import beginning
from zoo_common.units import bytes_text, counted
from zoo_common.weights import InitialValues
from zoo_spec.data import GeneratedData
from zoo_spec.errors import ZooError
from zoo_spec.experiment import ExperimentSpec
from zoo_spec.graph import Graph

EXAMPLES = 2


class RehearsalError(ZooError):
    """The step ran, and what came out is of no use (exit status 1)."""


@dataclass(frozen=True)
class Check:
    """One thing that was tried: what was found, or what is wrong."""

    name: str
    found: str
    error: ZooError | None = None


def rehearse(spec: ExperimentSpec, framework: str, device: str) -> Iterator[Check]:
    """Import the framework, open data and the weights to begin with, add up the memory, build the model, run a step.

    Each check is given as it ends. The step, on generated input, is left out if the framework is missing or
    the memory too small; what is wrong with the data or the weights does not stop it.
    """
    ready = [_tried("framework", lambda: _versions(framework))]
    yield ready[0]
    with TemporaryDirectory(prefix="zoo-") as directory:  # It keeps the tokenizer for the second part.
        yield _tried("training data", lambda: _open(spec, Path(directory), "train"))
        yield _tried("evaluation data", lambda: _open(spec, Path(directory), "eval"))
    if spec.training.initialize_from is not None:
        yield _tried("weights to begin with", lambda: beginning(spec, spec.graph()))
    ready.append(_tried("memory", lambda: _memory(spec, framework)))
    yield ready[1]
    if all(check.error is None for check in ready):
        yield _tried("training step", lambda: _step(spec, framework, device))


def _tried(name: str, attempt: Callable[[], str]) -> Check:
    try:
        return Check(name, attempt())
    except ZooError as error:
        return Check(name, "", error)


def _versions(framework: str) -> str:
    versions = find_backend(framework)().versions()
    return ", ".join(f"{name} {version}" for name, version in versions.items())


def _open(spec: ExperimentSpec, directory: Path, split: Split) -> str:
    about = open_dataset(spec, directory, split).description()
    return f"{about.source}, {counted(about.samples, 'sample')}"


def _memory(spec: ExperimentSpec, framework: str) -> str:
    graph = spec.graph()
    require_memory(spec, graph, framework)
    needed = sum(training_bytes(spec, graph, framework).values())
    return f"{bytes_text(needed)} needed for training, {bytes_text(available_bytes())} available"


def _step(spec: ExperimentSpec, framework: str, device: str) -> str:
    graph, training = spec.graph(), spec.training
    data = spec.data if isinstance(spec.data, GeneratedData) else GeneratedData()
    examples = open_generated(data, graph, seed=training.seed, split="train")
    given = batch(examples, training.seed, 0, EXAMPLES)
    require_trainable(graph, training)
    start = time.perf_counter()
    backend, weights = find_backend(framework)(), InitialValues(graph.parameters(), training.seed)
    if not graph.loss_parts:
        made = backend.for_inference(
            graph, weights, dtype=training.precision, device=device, tf32=training.tf32
        )
        return f"no loss to train; a prediction gave {', '.join(made.predict_step(given))}"
    model = backend.for_training(graph, training, weights, dtype=training.precision, device=device)
    rate = training.schedule.rate(0, training.optimizer.learning_rate, training.steps)
    result = model.train_step([given], denominators(graph, given), rate)
    loss, norm = float(result.loss), float(result.gradient_norm)
    if not (math.isfinite(loss) and math.isfinite(norm)):
        raise RehearsalError(
            f"a training step of {EXAMPLES} generated examples gives a loss of {loss} and a gradient norm of "
            f"{norm}, where both must be finite; look at the initial values and the norms' epsilons"
        )
    sizes = ", ".join(f"{name} {size}" for name, size in _sizes(graph, given).items())
    seconds = time.perf_counter() - start
    return f"loss {loss:.4g}, gradient norm {norm:.4g}, on generated input ({sizes}), in {seconds:.1f} s"


def _sizes(graph: Graph, given: Batch) -> dict[str, int]:
    """The sizes that a batch gives to the open dimensions."""
    return {
        dimension: size
        for name, value in given.items()
        for dimension, size in zip(graph.inputs[name].shape, value.shape, strict=True)
        if isinstance(dimension, str)
    }
