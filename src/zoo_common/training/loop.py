"""The steps of training, the same for every framework: batch, rate, denominators, update."""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from itertools import count
from typing import TypeVar

import numpy as np

from zoo_common.backend import Batch, Scalar, StepResult, TrainingModel
from zoo_common.replicas import ALONE, Replicas, meets, share, share_each
from zoo_common.training.denominators import denominators
from zoo_common.training.numbers import checked
from zoo_spec.errors import EnvironmentFault, InputError
from zoo_spec.frameworks import entries, framework, frameworks
from zoo_spec.graph import Graph
from zoo_spec.training import Training

T = TypeVar("T")


@dataclass(frozen=True)
class Step:
    """A finished step, counted from 1; ``result`` may still be on a device.

    ``data_seconds`` is how long it waited for its batch; ``weightless`` are the parts of the loss whose labels in it
    have no weight at all.
    """

    number: int
    rate: Scalar
    examples: int
    tokens: int | None
    result: StepResult
    data_seconds: float = 0.0
    weightless: tuple[str, ...] = ()


def run_steps(
    model: TrainingModel,
    graph: Graph,
    training: Training,
    ahead: Iterator[Batch],
    start: int,
    replicas: Replicas = ALONE,
) -> Generator[Step, None, None]:
    """Train from ``start`` steps done on a spec's own batches, which are checked before they are learned from."""
    given = checked(ahead, graph, "the batch of step", start + 1)
    return run_batches(model, graph, training, given, start, replicas)


def run_batches(
    model: TrainingModel,
    graph: Graph,
    training: Training,
    ahead: Iterator[Batch],
    start: int,
    replicas: Replicas = ALONE,
) -> Generator[Step, None, None]:
    """Train from ``start`` steps done, a step a batch; rate and randomness depend on the step alone.

    Every replica is given the whole of each batch, and learns from its own rows.
    """
    for index, batch, waited in timed(ahead, start):
        yield train_on(model, graph, training, batch, index, waited, replicas)


def timed(batches: Iterator[T], start: int) -> Generator[tuple[int, T, float], None, None]:
    """Each batch with its number, from ``start``, and the seconds that it was waited for."""
    for index in count(start):
        began = time.perf_counter()
        try:
            batch = next(batches)
        except StopIteration:
            return
        yield index, batch, time.perf_counter() - began


def train_on(
    model: TrainingModel,
    graph: Graph,
    training: Training,
    batch: Batch,
    index: int,
    waited: float = 0.0,
    replicas: Replicas = ALONE,
) -> Step:
    """Step ``index``, counted from 0, on this replica's rows of this batch.

    Raises InputError for micro-batches, or replicas, where a node computes a loss's weights or labels: what a part of
    the batch contributes is then not known before all of it ran.
    """
    rate = training.schedule.rate(index, training.optimizer.learning_rate, training.steps)
    divide = share_each if meets(graph, training) else share
    micro_batches = divide(batch, training.micro_batch_size, replicas.rank, replicas.size)
    divisors = denominators(graph, batch)
    if divisors is None and replicas.size > 1:
        raise InputError(f"replicas need {_KNOWN_SUMS}; train in one process")
    if divisors is None and len(micro_batches) > 1:
        raise InputError(f"training.micro_batch_size needs {_KNOWN_SUMS}; leave it out")
    result = model.train_step(micro_batches, divisors, rate)
    examples = len(next(iter(batch.values())))
    weightless = tuple(name for name, divisor in (divisors or {}).items() if math.isinf(divisor))
    return Step(index + 1, rate, examples, real_tokens(batch), result, waited, weightless)


_KNOWN_SUMS = "losses whose labels and weights are inputs of the graph"


def require_trainable(graph: Graph, training: Training, replicas: int = 1) -> None:
    """Raise InputError where nothing has weights, or what is computed apart would not add up."""
    require_parameters(graph)
    if all(
        part.weights is not None
        or (part.labels is not None and "weights" not in graph.nodes[part.node].inputs)
        for part in graph.loss_parts
    ):
        return
    if (training.micro_batch_size or training.batch_size) < training.batch_size:
        raise InputError(f"training.micro_batch_size needs {_KNOWN_SUMS}; leave it out")
    if replicas > 1:
        raise InputError(f"{replicas} replicas need {_KNOWN_SUMS}; train in one process")


def require_replicable(training: Training, name: str, replicas: int) -> None:
    """Raise EnvironmentFault for what one process does alone, or divided over replicas by a framework that cannot."""
    title = framework(name).title or name
    if training.streams and replicas > 1:
        raise EnvironmentFault(
            f"training.execution: {title} streams weights in one process, and there are {replicas} replicas; train "
            "without them, or set it to resident"
        )
    if training.sharding != "none" and not framework(name).shards:
        able = [framework(other).title or other for other in entries() if framework(other).shards]
        raise EnvironmentFault(
            f"training.sharding: {title} does not divide a model over replicas, "
            f"{' and '.join(able) or 'no framework'} does; set it to none"
        )


def require_compiling(graph: Graph, training: Training, name: str, replicas: int = 1) -> None:
    """Raise EnvironmentFault where a step is to be compiled that cannot be, or by a framework that compiles none."""
    if training.compile != "on":
        return
    if not framework(name).compiles:
        able = [each.title or other for other, each in frameworks().items() if each.compiles]
        raise EnvironmentFault(
            f"training.compile: {framework(name).title or name} compiles no steps, "
            f"{' and '.join(able) or 'no framework'} does; set it to off"
        )
    if replicas > 1 and graph.synchronizes:
        raise EnvironmentFault(
            "training.compile: a batch norm with statistics 'synchronized' asks the other replicas in the midst of a "
            "pass, which no program does; set it to off"
        )


def require_parameters(graph: Graph) -> None:
    """Raise InputError if no node has weights: optimizers of either framework refuse to have nothing to train."""
    if not graph.parameter_count:
        raise InputError(f"{graph.name} has no parameters to train; give it a block that has weights")


def real_tokens(batch: Batch) -> int | None:
    """Tokens that are not padding; None where there are no tokens."""
    if "input_ids" not in batch:
        return None
    ids = batch.get("example_ids")
    return int(np.count_nonzero(ids)) if ids is not None else int(batch["input_ids"].size)
