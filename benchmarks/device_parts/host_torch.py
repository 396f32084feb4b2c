"""PyTorch on the host, whatever device is asked for: what a device is held against."""

from __future__ import annotations

from zoo_common.weights import WeightSource
from zoo_spec.graph import Graph
from zoo_spec.training import Training
from zoo_torch.backend import TorchBackend
from zoo_torch.inference import TorchInference
from zoo_torch.training import TorchTraining


class HostTorch(TorchBackend):
    """Found by the entry point ``torch-host``."""

    def for_inference(
        self, graph: Graph, weights: WeightSource, *, dtype: str, device: str = "auto", tf32: bool = False
    ) -> TorchInference:
        return super().for_inference(graph, weights, dtype=dtype, device="cpu", tf32=tf32)

    def for_training(
        self, graph: Graph, training: Training, weights: WeightSource, *, dtype: str, device: str = "auto"
    ) -> TorchTraining:
        return super().for_training(graph, training, weights, dtype=dtype, device="cpu")
