"""PyTorch for the common half."""

from __future__ import annotations

from pathlib import Path

import torch

from zoo_common.backend import Streaming
from zoo_common.replicas import ALONE, Environment, Replicas
from zoo_common.weights import WeightSource
from zoo_spec.graph import Graph
from zoo_spec.training import Training
from zoo_torch.inference import TorchInference
from zoo_torch.replicas import TorchReplicas, join
from zoo_torch.streaming import StreamedInference, StreamedTraining
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
        if streaming is not None:
            return StreamedInference(graph, weights, streaming, dtype=dtype, device=device, tf32=tf32)
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
        if training.streams:
            return StreamedTraining(graph, training, weights, dtype=dtype, device=device, working=working)
        if training.sharding == "full" and isinstance(replicas, TorchReplicas):
            # Alone there is nobody to share with, and the import of FSDP2 takes half a second.
            from zoo_torch.sharding import ShardedTraining

            return ShardedTraining(graph, training, weights, dtype=dtype, device=device, replicas=replicas)
        return TorchTraining(graph, training, weights, dtype=dtype, device=device, replicas=replicas)

    def join(self, environment: Environment) -> Replicas:
        """Meet the other replicas, by gloo between CPUs and NCCL between GPUs."""
        return join(environment)

    def versions(self) -> dict[str, str]:
        """Version of torch."""
        return {"torch": torch.__version__}
