"""The input of a vision transformer: patches, a class token, and positions, also for images of another size."""

from __future__ import annotations

from math import prod
from typing import Any

import keras
import tensorflow as tf

from zoo_spec.blocks import patch_embeddings as specs
from zoo_spec.blocks.base import Inputs
from zoo_tf.blocks.base import Block
from zoo_tf.blocks.build import build, build_children
from zoo_tf.blocks.dropout import Dropout

# B batch, H height, W width, C channels, T tokens, D hidden.
Pair = tuple[int, int]


class PatchEmbeddings(Block):
    """``[B, H, W, C]`` to ``[B, 1 + patches, D]``: patches behind a class token, positions, dropout."""

    def __init__(
        self,
        *,
        size: int,
        patch: keras.layers.Layer,
        position: keras.layers.Layer,
        dropout: float,
        **keras_: Any,
    ) -> None:
        super().__init__(**keras_)
        self.class_token = self.add_weight(
            shape=(1, size), initializer="zeros", name="class_token", autocast=False
        )
        self.patch = patch
        self.position = position
        self.dropout = Dropout(rate=dropout, dtype=self.dtype_policy)

    def call(self, x: tf.Tensor) -> tf.Tensor:
        patches_BHWD = self.patch(x)
        size = patches_BHWD.shape[-1]
        patches_BTD = tf.reshape(patches_BHWD, [-1, prod(patches_BHWD.shape[1:3]), size])
        class_token = tf.cast(tf.convert_to_tensor(self.class_token), patches_BTD.dtype)
        class_token_B1D = tf.broadcast_to(class_token, [tf.shape(x)[0], 1, size])
        return self.dropout(self.position(tf.concat([class_token_B1D, patches_BTD], axis=1)))


class InterpolatedPositions(Block):
    """Adds positions learned on one grid, stretched to another, to ``x [B, T, D]``."""

    def __init__(self, *, hidden_size: int, learned_grid: Pair, grid: Pair, **keras_: Any) -> None:
        super().__init__(**keras_)
        self.embeddings = self.add_weight(
            shape=(1 + prod(learned_grid), hidden_size),
            initializer="zeros",
            name="embeddings",
            autocast=False,
        )
        self.matrix = specs.interpolation_matrix(tuple(learned_grid), tuple(grid))

    def call(self, x: tf.Tensor) -> tf.Tensor:
        table = tf.convert_to_tensor(self.embeddings)
        matrix = tf.constant(self.matrix, table.dtype)
        stretched_TD = tf.concat([table[:1], tf.matmul(matrix, table[1:])], axis=0)
        return x + tf.cast(stretched_TD, x.dtype)


@build.register
def _patch_embeddings(spec: specs.PatchEmbeddings, inputs: Inputs) -> PatchEmbeddings:
    children = build_children(spec, inputs)
    return PatchEmbeddings(
        size=spec.size, patch=children["patch"], position=children["position"], dropout=spec.dropout
    )


@build.register
def _interpolated_positions(spec: specs.InterpolatedPositions, inputs: Inputs) -> InterpolatedPositions:
    return InterpolatedPositions(
        hidden_size=inputs["x"].width, learned_grid=spec.learned_grid, grid=spec.grid
    )
