"""Dropout, by TensorFlow's own generator or by one that a training loop gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from zoo_spec.blocks import dropout as specs
from zoo_spec.blocks.base import Inputs
from zoo_tf.blocks.base import Block
from zoo_tf.blocks.build import build

Draw = Callable[[tf.Tensor, float], tf.Tensor]


class Dropout(Block):
    """In training, zeroes values with probability ``rate`` and divides the rest by ``1 - rate``.

    ``draw(shape, rate)`` gives the mask, True where a value stays; without one, it is drawn afresh each call.
    """

    def __init__(self, *, rate: float, **keras_: Any) -> None:
        super().__init__(**keras_)
        self.rate = rate
        self.set_draw(None)

    def set_draw(self, draw: Draw | None) -> None:
        """Take the masks from ``draw``; past Keras' __setattr__, since it is no part of a saved layer."""
        object.__setattr__(self, "draw", draw)

    def call(self, x: tf.Tensor, *, training: bool | None = None) -> tf.Tensor:
        if not training or not self.rate:
            return x
        draw = self.draw or _afresh
        keep = tf.cast(draw(tf.shape(x), self.rate), x.dtype)
        return x * keep / tf.constant(1 - self.rate, x.dtype)


def _afresh(shape: tf.Tensor, rate: float) -> tf.Tensor:
    return tf.random.uniform(shape) >= rate


@build.register
def _dropout(spec: specs.Dropout, inputs: Inputs) -> Dropout:
    return Dropout(rate=spec.rate)
