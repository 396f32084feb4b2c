"""A short rehearsal of a training run: what would fail late fails here, in seconds."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from zoo_common.backend import find_backend
from zoo_common.data import batch, open_dataset
from zoo_common.data.base import Split
from zoo_common.data.generated import open_generated
from zoo_common.memory import available_bytes, require_memory, training_bytes
from zoo_common.training.denominators import denominators
from zoo_common.units import bytes_text, counted
from zoo_spec.data import GeneratedData
from zoo_spec.errors import ZooError
from zoo_spec.experiment import ExperimentSpec

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
    """Open the data, add up the memory, build the model and run one training step, each after the other.

    Each check is given as it ends. The step, on generated input, is left out if the memory is too small.
    """
    yield _tried("training data", lambda: _open(spec, "train"))
    yield _tried("evaluation data", lambda: _open(spec, "eval"))
    memory = _tried("memory", lambda: _memory(spec))
    yield memory
    if memory.error is None:
        yield _tried("training step", lambda: _step(spec, framework, device))


def _tried(name: str, attempt: Callable[[], str]) -> Check:
    try:
        return Check(name, attempt())
    except ZooError as error:
        return Check(name, "", error)


def _open(spec: ExperimentSpec, split: Split) -> str:
    with TemporaryDirectory(prefix="zoo-") as directory:
        about = open_dataset(spec, Path(directory), split).description()
    return f"{about.source}, {counted(about.samples, 'sample')}"


def _memory(spec: ExperimentSpec) -> str:
    graph = spec.graph()
    require_memory(spec, graph)
    needed = sum(training_bytes(spec, graph).values())
    return f"{bytes_text(needed)} needed for a training step, {bytes_text(available_bytes())} available"


def _step(spec: ExperimentSpec, framework: str, device: str) -> str:
    graph, training = spec.graph(), spec.training
    data = spec.data if isinstance(spec.data, GeneratedData) else GeneratedData()
    examples = open_generated(data, graph, seed=training.seed, split="train")
    given = batch(examples, training.seed, 0, EXAMPLES)
    start = time.perf_counter()
    backend = find_backend(framework)()
    backend.initialize(graph, training, seed=training.seed, dtype=training.precision, device=device)
    if not graph.loss_parts:
        outputs = backend.predict_step(given)
        return f"no loss to train; a prediction gave {', '.join(outputs)}"
    rate = training.schedule.rate(0, training.optimizer.learning_rate, training.steps)
    result = backend.train_step([given], denominators(graph, given), rate)
    loss, norm = float(result.loss), float(result.gradient_norm)
    if not (math.isfinite(loss) and math.isfinite(norm)):
        raise RehearsalError(
            f"a training step of {EXAMPLES} generated examples gives a loss of {loss} and a gradient norm of "
            f"{norm}, where both must be finite; look at the initial values and the norms' epsilons"
        )
    versions = ", ".join(f"{name} {version}" for name, version in backend.versions().items())
    shapes = ", ".join(f"{name} {list(value.shape)}" for name, value in given.items() if name in graph.features)
    seconds = time.perf_counter() - start
    return f"{versions}: loss {loss:.4g} on generated input ({shapes}), {seconds:.1f} s with set-up"
