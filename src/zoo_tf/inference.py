"""TensorFlow at work on a model that computes and learns nothing."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from zoo_common.backend import Array, Batch, Exported, Weights
from zoo_common.weights import WeightSource
from zoo_spec.graph import Graph
from zoo_tf.compiling import compiled
from zoo_tf.container import GraphModel
from zoo_tf.device import choose_device, held_bytes
from zoo_tf.formats import write
from zoo_tf.precision import native_dtype
from zoo_tf.weights import set_weights

Tensors = dict[str, tf.Tensor]


class TensorFlowInference:
    """A compiled ``keras.Model``, run by a ``tf.function`` that is traced once.

    A first prediction runs without it: most have no second, and tracing takes longer than the answer.
    """

    name = "tf"

    def __init__(self, graph: Graph, weights: WeightSource, *, dtype: str, device: str, tf32: bool) -> None:
        self.device = choose_device(device)
        tf.config.experimental.enable_tensor_float_32_execution(tf32)
        # It counts the traces of all models together, and warns of a loop where there are only several models.
        tf.get_logger().setLevel(logging.ERROR)
        self.graph = graph
        self.dtype = dtype
        with tf.device(self.device):
            self.model = self._compiled(weights)
        self._functions: dict[
            tuple[str, tuple[tuple[str, int], ...]], tf.types.experimental.PolymorphicFunction
        ] = {}
        self._predicted: set[frozenset[str]] = set()

    def _compiled(self, weights: WeightSource) -> GraphModel:
        return compiled(self.graph, weights, self.dtype)

    def evaluate_step(self, batch: Batch) -> Weights:
        """All outputs for a batch with labels, without dropout."""
        with tf.device(self.device):
            outputs = self._function("forward", self._forward, batch)(self._tensors(batch))
        return {name: as_array(value) for name, value in outputs.items()}

    def _forward(self, batch: Tensors) -> Tensors:
        return self.model(batch, training=False)

    def predict_step(self, batch: Batch) -> Weights:
        """All outputs for a batch of features."""
        features = {name: batch[name] for name in self.graph.features if name in batch}
        names = frozenset(features)
        if names in self._predicted:
            return self.evaluate_step(features)
        self._predicted.add(names)
        with tf.device(self.device):
            outputs = self._forward(self._tensors(features))
        return {name: as_array(value) for name, value in outputs.items()}

    def call(self, batch: Batch) -> Weights:
        """All outputs of the model as a user calls it, with nothing said of training."""
        with tf.device(self.device):
            outputs = self.model(self._tensors(batch))
        return {name: as_array(value) for name, value in outputs.items()}

    def set_weights(self, weights: Mapping[str, Array]) -> None:
        """Set all weights and nothing else."""
        set_weights(self.model, weights)

    def export(self, directory: Path, features: Sequence[str], format: str) -> Exported:
        """Write a program in a format of TensorFlow's that takes these features."""
        return write(self.model, self.graph, directory, features, format)

    def device_bytes(self) -> int | None:
        """Bytes held on the accelerator; None on a CPU."""
        return held_bytes(self.device)

    def _tensors(self, batch: Batch) -> Tensors:
        return {
            name: tf.constant(np.asarray(value), native_dtype(self.graph.inputs[name].dtype, self.dtype))
            for name, value in batch.items()
        }

    def _function(
        self, name: str, function: object, batch: Batch | None, *others: object
    ) -> tf.types.experimental.PolymorphicFunction:
        """The compiled form of a step, traced once for all sizes of the open dimensions.

        It takes a batch, if one is given, and then what has these ``others`` for signatures.
        """
        ranks = {other: np.ndim(value) for other, value in (batch or {}).items()}
        key = (name, tuple(sorted(ranks.items())))
        if key not in self._functions:
            inputs = {other: self._signature(other, rank) for other, rank in ranks.items()}
            signature = [*([] if batch is None else [inputs]), *others]
            self._functions[key] = tf.function(function, input_signature=signature, autograph=False)
        return self._functions[key]

    def _signature(self, name: str, rank: int) -> tf.TensorSpec:
        spec = self.graph.inputs[name]
        sizes = [size if isinstance(size, int) else None for size in spec.shape]
        # Packed examples' labels have one more dimension than those of rows with one example each.
        sizes[1:1] = [None] * (rank - spec.rank)
        return tf.TensorSpec(sizes, native_dtype(spec.dtype, self.dtype), name=name)


def as_array(value: tf.Tensor) -> Array:
    """What a tensor holds, for the other half."""
    # NumPy has no bfloat16.
    return (tf.cast(value, tf.float32) if value.dtype == tf.bfloat16 else value).numpy()
