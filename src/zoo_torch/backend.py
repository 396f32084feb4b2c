"""PyTorch for the common half."""

from __future__ import annotations

from pathlib import Path

import torch

from zoo_common.backend import Streaming, refuse_streaming
from zoo_common.replicas import ALONE, Environment, Replicas
from zoo_common.weights import WeightSource
from zoo_spec.graph import Graph
from zoo_spec.training import Training
from zoo_torch.inference import TorchInference
from zoo_torch.replicas import TorchReplicas, join
from zoo_torch.sharding import ShardedTraining
from zoo_torch.training import TorchTraining


class TorchBackend:
    """What PyTorch makes of a graph."""

    name = "torch"

    def for_inference(
        self,
        graph: Graph,
        weights: WeightSource,
        *,
        dtype: str,
        device: str = "auto",
        tf32: bool = False,
        streaming: Streaming | None = None,
    ) -> TorchInference:
        """The graph with these weights, to compute with."""
        refuse_streaming(self.name, streaming is not None)
        return TorchInference(graph, weights, dtype=dtype, device=device, tf32=tf32)

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
    ) -> TorchTraining:
        """The graph with these weights, and the optimizer."""
        refuse_streaming(self.name, training.streams)
        if training.sharding == "full" and isinstance(
            replicas, TorchReplicas
        ):  # Alone there is nobody to share with.
            return ShardedTraining(graph, training, weights, dtype=dtype, device=device, replicas=replicas)
        return TorchTraining(graph, training, weights, dtype=dtype, device=device, replicas=replicas)

    def join(self, environment: Environment) -> Replicas:
        """Meet the other replicas, by gloo between CPUs and NCCL between GPUs."""
        return join(environment)

    def versions(self) -> dict[str, str]:
        """Version of torch."""
        return {"torch": torch.__version__}
