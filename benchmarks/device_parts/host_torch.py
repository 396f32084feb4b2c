"""PyTorch on the host, whatever device is asked for: what a device is held against."""

from __future__ import annotations

from zoo_spec.graph import Graph
from zoo_spec.training import Training
from zoo_torch.backend import TorchBackend


class HostTorch(TorchBackend):
    """Found by the entry point ``torch-host``."""

    def initialize(
        self, graph: Graph, training: Training, *, seed: int, dtype: str, device: str = "auto"
    ) -> None:
        super().initialize(graph, training, seed=seed, dtype=dtype, device="cpu")
