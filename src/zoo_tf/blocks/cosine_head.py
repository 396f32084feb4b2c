"""Logits by the angle to learned vectors: how HuBERT says which unit a frame is of (Hsu et al., 2021, 2.3)."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from zoo_spec.blocks import cosine_head as specs
from zoo_spec.blocks.base import Inputs
from zoo_tf.blocks.base import Block
from zoo_tf.blocks.build import build
from zoo_tf.blocks.dense import Dense, restore
from zoo_tf.precision import at_least_float32

EPSILON = 1e-8
"""The least length that a vector is divided by."""


class CosineHead(Block):
    """``cos(dense(x), code) / temperature`` for each code: ``[..., features]`` to ``[..., units]``."""

    def __init__(self, *, features: int, units: int, size: int, temperature: float, **keras_: Any) -> None:
        super().__init__(**keras_)
        self.temperature = temperature
        self.dense = Dense(in_features=features, out_features=size, bias=True, dtype=self.dtype_policy)
        self.codes = self.add_weight(shape=(units, size), initializer="zeros", name="codes", autocast=False)

    def call(self, x: tf.Tensor) -> tf.Tensor:
        projected = self.dense(x)
        directions, codes = (
            tf.cast(tf.math.l2_normalize(at_least_float32(vectors), -1, EPSILON**2), x.dtype)
            for vectors in (projected, tf.convert_to_tensor(self.codes))
        )
        flat = tf.matmul(tf.reshape(directions, [-1, codes.shape[1]]), codes, transpose_b=True)
        return restore(flat / tf.constant(self.temperature, flat.dtype), x, codes.shape[0])


@build.register
def _cosine_head(spec: specs.CosineHead, inputs: Inputs) -> CosineHead:
    return CosineHead(
        features=inputs["x"].width, units=spec.units, size=spec.size, temperature=spec.temperature
    )
