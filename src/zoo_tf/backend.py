"""TensorFlow for the common half."""

from __future__ import annotations

from pathlib import Path

import keras
import tensorflow as tf

from zoo_common.backend import Streaming
from zoo_common.replicas import ALONE, Environment, Replicas
from zoo_common.weights import WeightSource
from zoo_spec.graph import Graph
from zoo_spec.training import Training
from zoo_tf.allocation import use_the_systems_heap
from zoo_tf.inference import TensorFlowInference
from zoo_tf.replicas import join
from zoo_tf.streaming import StreamedInference, StreamedTraining
from zoo_tf.training import TensorFlowTraining


class TensorFlowBackend:
    """What TensorFlow makes of a graph."""

    name = "tf"

    def for_inference(
        self,
        graph: Graph,
        weights: WeightSource,
        *,
        dtype: str,
        device: str = "auto",
        tf32: bool = False,
        streaming: Streaming | None = None,
    ) -> TensorFlowInference:
        """The graph with these weights, to compute with."""
        if streaming is not None:
            use_the_systems_heap()
            return StreamedInference(
                graph, weights, dtype=dtype, device=device, tf32=tf32, streaming=streaming
            )
        return TensorFlowInference(graph, weights, dtype=dtype, device=device, tf32=tf32)

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
    ) -> TensorFlowTraining | StreamedTraining:
        """The graph with these weights, and the optimizer."""
        if training.streams:
            use_the_systems_heap()
            return StreamedTraining(graph, training, weights, dtype=dtype, device=device, working=working)
        return TensorFlowTraining(graph, training, weights, dtype=dtype, device=device, replicas=replicas)

    def join(self, environment: Environment) -> Replicas:
        """Meet the other replicas, by TensorFlow's own servers, and NCCL between GPUs."""
        return ALONE if environment.size == 1 else join(environment)

    def versions(self) -> dict[str, str]:
        """Versions of TensorFlow and Keras."""
        return {"tensorflow": tf.__version__, "keras": keras.__version__}
