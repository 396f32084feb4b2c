"""Models in training with initial values, as tests of what comes after want them."""

from __future__ import annotations

from zoo_common.backend import TrainingModel, find_backend
from zoo_common.weights import InitialValues
from zoo_spec.graph import Graph
from zoo_spec.training import Training


def training_model(framework: str, graph: Graph, training: Training, dtype: str = "float64") -> TrainingModel:
    """The graph on the CPU, its values drawn from ``training.seed``."""
    weights = InitialValues(graph.parameters(), training.seed)
    return find_backend(framework)().for_training(graph, training, weights, dtype=dtype, device="cpu")
