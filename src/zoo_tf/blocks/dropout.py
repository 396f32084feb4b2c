"""Dropout, by TensorFlow's own generator or by one that a training loop gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from zoo_spec.blocks import dropout as specs
from zoo_spec.blocks.base import Inputs
from zoo_tf.blocks.base import Block
from zoo_tf.blocks.build import build
from zoo_tf.precision import at_least_float32

Draw = Callable[[tf.Tensor, float, int], tf.Tensor]


class Dropout(Block):
    """In training, zeroes values with probability ``rate`` and divides the rest by ``1 - rate``.

    ``draw(shape, rate, use)`` gives the mask, True where a value stays, and ``use`` counts the masks that it has
    given; without one, the mask is drawn afresh each call.
    """

    def __init__(self, *, rate: float, **keras_: Any) -> None:
        super().__init__(**keras_)
        self.rate = rate
        self.set_draw(None)

    def set_draw(self, draw: Draw | None) -> None:
        """Take the masks from ``draw``, counted from its first."""
        # Past Keras' __setattr__, since it is no part of a saved layer.
        object.__setattr__(self, "draw", draw)
        self.set_uses(0)

    def set_uses(self, uses: int) -> None:
        """Go on from the mask of this number."""
        object.__setattr__(self, "uses", uses)

    def call(self, x: tf.Tensor, *, training: bool | None = None) -> tf.Tensor:
        if not training or not self.rate:
            return x
        draw = self.draw or _afresh
        mask = draw(tf.shape(x), self.rate, self.uses)
        mask.set_shape(x.shape)
        kept = at_least_float32(x * tf.cast(mask, x.dtype))
        self.set_uses(self.uses + 1)
        return tf.cast(kept / tf.constant(1 - self.rate, kept.dtype), x.dtype)


def _afresh(shape: tf.Tensor, rate: float, use: int) -> tf.Tensor:
    return tf.random.uniform(shape) >= rate


@build.register
def _dropout(spec: specs.Dropout, inputs: Inputs) -> Dropout:
    return Dropout(rate=spec.rate)
