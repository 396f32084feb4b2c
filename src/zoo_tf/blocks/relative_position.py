"""Relative positions: what a pair of positions adds to the attention between them."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from zoo_spec.blocks import relative_position as specs
from zoo_spec.blocks.base import Inputs
from zoo_tf.blocks.base import Block
from zoo_tf.blocks.build import build

# T tokens, N heads.


class RelativePositions(Block):
    """A learned bias for each head and bucket of distances: ``[N, T, T]`` for ``x [B, T, D]``."""

    def __init__(
        self, *, num_buckets: int, num_heads: int, max_distance: int, bidirectional: bool, **keras_: Any
    ) -> None:
        super().__init__(**keras_)
        self.max_distance = max_distance
        self.buckets = np.array(specs.bucket_table(num_buckets, max_distance, bidirectional=bidirectional))
        self.embeddings = self.add_weight(
            shape=(num_buckets, num_heads), initializer="zeros", name="embeddings", autocast=False
        )

    def call(self, x: tf.Tensor) -> tf.Tensor:
        position = tf.range(tf.shape(x)[1])
        distance_TT = position[None, :] - position[:, None]
        place_TT = tf.clip_by_value(distance_TT, -self.max_distance, self.max_distance) + self.max_distance
        buckets_TT = tf.gather(tf.constant(self.buckets, tf.int32), place_TT)
        # Rounded after the rows are taken, so that their gradients add up in float32.
        bias_TTN = tf.gather(tf.convert_to_tensor(self.embeddings), buckets_TT)
        return tf.cast(tf.transpose(bias_TTN, [2, 0, 1]), x.dtype)


@build.register
def _relative_positions(spec: specs.RelativePositions, inputs: Inputs) -> RelativePositions:
    return RelativePositions(
        num_buckets=spec.num_buckets,
        num_heads=spec.num_heads,
        max_distance=spec.max_distance,
        bidirectional=spec.mask == "bidirectional",
    )
