"""What training leaves as it is: no tape watches it, so nothing is kept for a backward pass that nobody needs."""

from __future__ import annotations

import keras

from zoo_spec.trained import Trained
from zoo_tf.blocks.base import named_layers
from zoo_tf.blocks.norm import BatchNorm
from zoo_tf.leaves import named_variables


def freeze(model: keras.Model, learned: Trained) -> None:
    """Have the frozen variables not be trainable, and the batch norms that are fixed keep their statistics."""
    for name, variable in named_variables(model):
        if name in learned.frozen:
            variable.trainable = False
    for path, layer in named_layers(model):
        if path in learned.fixed:
            assert isinstance(layer, BatchNorm)
            layer.fixed = True
