"""NumPy for the common half."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from zoo_common.backend import Streaming, refuse_streaming
from zoo_common.replicas import ALONE, Environment, Replicas
from zoo_common.weights import WeightSource
from zoo_numpy.model import Inference
from zoo_numpy.training import Learning
from zoo_spec.errors import EnvironmentFault
from zoo_spec.graph import Graph
from zoo_spec.training import Training


class NumpyBackend:
    """What NumPy makes of a graph."""

    name = "numpy"

    def for_inference(
        self,
        graph: Graph,
        weights: WeightSource,
        *,
        dtype: str,
        device: str = "auto",
        tf32: bool = False,
        streaming: Streaming | None = None,
    ) -> Inference:
        """The graph with these weights, to compute with."""
        refuse_streaming(self.name, streaming is not None)
        return Inference(graph, weights, dtype, device)

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
    ) -> Learning:
        """The graph with these weights, and the optimizer."""
        refuse_streaming(self.name, training.streams)
        return Learning(graph, training, weights, dtype, device, replicas)

    def join(self, environment: Environment) -> Replicas:
        """Nobody: it has nothing that carries a sum from one process to another."""
        if environment.size > 1:
            raise EnvironmentFault("the NumPy backend has no replicas in other processes; train in one")
        return ALONE

    def versions(self) -> dict[str, str]:
        """NumPy's."""
        return {"numpy": np.__version__}
