"""TensorFlow for the common half."""

from __future__ import annotations

import keras
import tensorflow as tf

from zoo_common.weights import WeightSource
from zoo_spec.graph import Graph
from zoo_spec.training import Training
from zoo_tf.inference import TensorFlowInference
from zoo_tf.training import TensorFlowTraining


class TensorFlowBackend:
    """What TensorFlow makes of a graph."""

    name = "tf"

    def for_inference(
        self, graph: Graph, weights: WeightSource, *, dtype: str, device: str = "auto", tf32: bool = False
    ) -> TensorFlowInference:
        """The graph with these weights, to compute with."""
        return TensorFlowInference(graph, weights, dtype=dtype, device=device, tf32=tf32)

    def for_training(
        self,
        graph: Graph,
        training: Training,
        weights: WeightSource,
        *,
        dtype: str,
        device: str = "auto",
    ) -> TensorFlowTraining:
        """The graph with these weights, and the optimizer."""
        return TensorFlowTraining(graph, training, weights, dtype=dtype, device=device)

    def versions(self) -> dict[str, str]:
        """Versions of TensorFlow and Keras."""
        return {"tensorflow": tf.__version__, "keras": keras.__version__}
