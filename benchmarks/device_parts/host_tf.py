"""TensorFlow on the host, whatever device is asked for: what a device is held against."""

from __future__ import annotations

from zoo_common.weights import WeightSource
from zoo_spec.graph import Graph
from zoo_spec.training import Training
from zoo_tf.backend import TensorFlowBackend
from zoo_tf.inference import TensorFlowInference
from zoo_tf.training import TensorFlowTraining


class HostTensorFlow(TensorFlowBackend):
    """Found by the entry point ``tf-host``."""

    def for_inference(
        self, graph: Graph, weights: WeightSource, *, dtype: str, device: str = "auto", tf32: bool = False
    ) -> TensorFlowInference:
        return super().for_inference(graph, weights, dtype=dtype, device="cpu", tf32=tf32)

    def for_training(
        self, graph: Graph, training: Training, weights: WeightSource, *, dtype: str, device: str = "auto"
    ) -> TensorFlowTraining:
        return super().for_training(graph, training, weights, dtype=dtype, device="cpu")
