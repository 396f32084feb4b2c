"""What dropout does in a training pass, seen from outside."""

from __future__ import annotations

from collections.abc import Callable

import keras
import tensorflow as tf

from zoo_tf.blocks.base import named_layers
from zoo_tf.blocks.dropout import Dropout

Use = tuple[str, tf.Tensor, tf.Tensor]
"""A dropout's path, what it took and what it gave."""


def watch_dropouts(model: keras.Model, run: Callable[[], object]) -> list[Use]:
    """Every use of a dropout while ``run`` runs the model eagerly in training; its weights and buffers may change."""
    uses: list[Use] = []
    watched = [(path, layer) for path, layer in named_layers(model) if isinstance(layer, Dropout)]
    for path, layer in watched:
        # Past Keras' __setattr__, since it is no part of a saved layer.
        object.__setattr__(layer, "call", _noting(path, layer.call, uses))
    try:
        run()
    finally:
        for _, layer in watched:
            object.__delattr__(layer, "call")
    return uses


def _noting(path: str, call: Callable[..., tf.Tensor], uses: list[Use]) -> Callable[..., tf.Tensor]:
    def noted(x: tf.Tensor, *, training: bool | None = None) -> tf.Tensor:
        output = call(x, training=training)
        uses.append((path, x, output))
        return output

    return noted
