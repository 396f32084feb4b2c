"""The input of a speech transformer: features of frames, some of them hidden, and positions."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from zoo_spec.blocks import frame_embeddings as specs
from zoo_spec.blocks.base import Inputs
from zoo_tf.blocks.base import Block
from zoo_tf.blocks.build import build, build_children
from zoo_tf.blocks.dense import Dense
from zoo_tf.blocks.dropout import Dropout

# B batch, T frames, D hidden.


class FrameEmbeddings(Block):
    """Norm and dense layer of each frame, hidden frames replaced, padding zeroed; positions, norm, dropout."""

    def __init__(
        self,
        *,
        features: int,
        size: int,
        feature_norm: keras.layers.Layer,
        position: keras.layers.Layer,
        norm: keras.layers.Layer | None,
        feature_dropout: float,
        dropout: float,
        **keras_: Any,
    ) -> None:
        super().__init__(**keras_)
        dtype = self.dtype_policy
        self.mask_embedding = self.add_weight(
            shape=(size,), initializer="zeros", name="mask_embedding", autocast=False
        )
        self.feature_norm = feature_norm
        self.projection = Dense(in_features=features, out_features=size, bias=True, dtype=dtype)
        self.feature_dropout = Dropout(rate=feature_dropout, dtype=dtype)
        self.position = position
        self.norm = norm
        self.dropout = Dropout(rate=dropout, dtype=dtype)

    def call(
        self, x: tf.Tensor, *, frame_mask: tf.Tensor | None = None, frame_ids: tf.Tensor | None = None
    ) -> tf.Tensor:
        x_BTD = self.feature_dropout(self.projection(self.feature_norm(x)))
        if frame_mask is not None:
            mask_embedding = tf.cast(tf.convert_to_tensor(self.mask_embedding), x_BTD.dtype)
            x_BTD = tf.where(frame_mask[:, :, None] > 0, mask_embedding, x_BTD)
        if frame_ids is not None:
            x_BTD = tf.where(frame_ids[:, :, None] == 0, tf.zeros([], x_BTD.dtype), x_BTD)
        x_BTD = self.position(x_BTD)
        return self.dropout(x_BTD if self.norm is None else self.norm(x_BTD))


@build.register
def _frame_embeddings(spec: specs.FrameEmbeddings, inputs: Inputs) -> FrameEmbeddings:
    children = build_children(spec, inputs)
    return FrameEmbeddings(
        features=inputs["x"].width,
        size=spec.size,
        feature_norm=children["feature_norm"],
        position=children["position"],
        norm=children.get("norm"),
        feature_dropout=spec.feature_dropout,
        dropout=spec.dropout,
    )
