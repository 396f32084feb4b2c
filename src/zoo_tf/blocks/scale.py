"""Multiplication by a constant."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from zoo_spec.blocks import scale as specs
from zoo_spec.blocks.base import Inputs
from zoo_tf.blocks.base import Block
from zoo_tf.blocks.build import build
from zoo_tf.precision import at_least_float32


class Scale(Block):
    """``factor * x``."""

    def __init__(self, *, factor: float, **keras_: Any) -> None:
        super().__init__(**keras_)
        self.factor = factor

    def call(self, x: tf.Tensor) -> tf.Tensor:
        # As torch does: a factor that were rounded to bfloat16 itself would shift all values alike.
        wide = at_least_float32(x)
        return tf.cast(wide * tf.constant(self.factor, wide.dtype), x.dtype)


@build.register
def _scale(spec: specs.Scale, inputs: Inputs) -> Scale:
    return Scale(factor=spec.factor)
