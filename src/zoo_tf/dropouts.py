"""What dropout does in a training pass, seen from outside."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence

import keras
import tensorflow as tf

from zoo_tf.blocks.base import named_layers
from zoo_tf.blocks.dropout import Dropout

Use = tuple[str, tf.Tensor, tf.Tensor]
"""A dropout's path, what it took and what it gave."""


def watch_dropouts(model: keras.Model, run: Callable[[], object], uses: list[Use] | None = None) -> list[Use]:
    """Every use of a dropout while ``run`` runs the model eagerly in training; its weights and buffers may change.

    They come behind those ``uses`` that are given.
    """
    uses = [] if uses is None else uses
    with watch([(path, layer) for path, layer in named_layers(model) if isinstance(layer, Dropout)], uses):
        run()
    return uses


@contextlib.contextmanager
def watch(dropouts: Sequence[tuple[str, Dropout]], uses: list[Use]) -> Iterator[None]:
    """Note what these do, by the paths that stand with them."""
    for path, layer in dropouts:
        # Past Keras' __setattr__, since it is no part of a saved layer.
        object.__setattr__(layer, "call", _noting(path, layer.call, uses))
    try:
        yield
    finally:
        for _, layer in dropouts:
            object.__delattr__(layer, "call")


def _noting(path: str, call: Callable[..., tf.Tensor], uses: list[Use]) -> Callable[..., tf.Tensor]:
    def noted(x: tf.Tensor, *, training: bool | None = None) -> tf.Tensor:
        output = call(x, training=training)
        uses.append((path, x, output))
        return output

    return noted
