"""Activation recomputation: training keeps each transformer layer's inputs and computes the rest again."""

from __future__ import annotations

import keras

from zoo_spec.errors import EnvironmentFault
from zoo_spec.graph import Graph
from zoo_tf.blocks.base import named_layers
from zoo_tf.blocks.layer import Layer


def recompute_layers(model: keras.Model, graph: Graph) -> None:
    """Switch it on in every layer of the model.

    Raises SpecError if the graph has no layer, EnvironmentFault for a layer whose TensorFlow half cannot do it.
    """
    native = dict(named_layers(model))
    for place in graph.layers():
        layer = native[place.path]
        if not isinstance(layer, Layer):
            kind = place.block.kind
            raise EnvironmentFault(
                f"training.recompute: block {kind!r} has a TensorFlow half that cannot recompute; derive it from "
                "zoo_tf.blocks.layer.Layer"
            )
        layer.recompute = True
