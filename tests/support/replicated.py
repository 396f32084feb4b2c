"""Training on so many replicas, whichever they are, to be held against one process."""

from __future__ import annotations

import numpy as np

from zoo_common.backend import State, TrainingModel, find_backend
from zoo_common.data import batch, open_dataset
from zoo_common.replicas import ALONE, Replicas
from zoo_common.training.loop import train_on
from zoo_common.weights import InitialValues
from zoo_spec import load_spec
from zoo_spec.experiment import ExperimentSpec
from zoo_spec.shrink import shrunk

STEPS = 4


def made(name: str, *overrides: str) -> ExperimentSpec:
    """A spec that ships, at a small size."""
    return shrunk(load_spec(name, overrides))


def model_of(framework: str, spec: ExperimentSpec, replicas: Replicas = ALONE) -> TrainingModel:
    """The spec in training, from its initial values."""
    weights = InitialValues(spec.graph().parameters(), spec.training.seed)
    return find_backend(framework)().for_training(
        spec.graph(), spec.training, weights, dtype="float64", device="cpu", replicas=replicas
    )


def trained(
    framework: str, spec: ExperimentSpec, replicas: Replicas = ALONE, steps: int = STEPS
) -> tuple[list[float], State]:
    """The losses and norms of some steps, and the state after them."""
    graph, training = spec.graph(), spec.training
    model = model_of(framework, spec, replicas)
    data = open_dataset(spec, None, "train")
    told = []
    for index in range(steps):
        given = batch(data, training.seed, index, training.batch_size)
        result = train_on(model, graph, training, given, index, replicas=replicas).result
        told += [float(result.loss), float(result.gradient_norm)]
    return told, model.export_state()


def apart(found: State, wanted: State) -> float:
    """The largest difference between two states."""
    pairs = [(found.weights, wanted.weights), (found.optimizer, wanted.optimizer)]
    return max(
        float(np.max(np.abs(mine[name] - value), initial=0))
        for mine, other in pairs
        for name, value in other.items()
    )
