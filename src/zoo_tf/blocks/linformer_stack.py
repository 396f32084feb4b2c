"""Linformer's layerwise sharing: a stack that owns the one projection of all its layers."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from zoo_spec.blocks import linformer_stack as specs
from zoo_spec.blocks.base import Inputs
from zoo_tf.blocks.build import build, build_children
from zoo_tf.blocks.layer import PostNormLayer, Stack, layers, parts


class LinformerLayer(PostNormLayer):
    """A post-norm layer that hands the stack's ``projection [K, length]`` on to its attention."""

    def call(
        self,
        x: tf.Tensor,
        projection: tf.Tensor,
        *,
        example_ids: tf.Tensor | None = None,
        positions: tf.Tensor | None = None,
    ) -> tf.Tensor:
        mixed = self.attention(x, projection, example_ids=example_ids, positions=positions)
        x = self.attention_norm(x + self.attention_dropout(mixed))
        return self.feed_forward_norm(x + self.feed_forward_dropout(self.feed_forward(x)))


class LinformerStack(Stack):
    """Layers that share one projection along the sequence."""

    def __init__(
        self,
        *,
        layers: list[keras.layers.Layer],
        size: int,
        length: int,
        norm: keras.layers.Layer | None = None,
        **keras_: Any,
    ) -> None:
        super().__init__(layers=layers, norm=norm, **keras_)
        self.projection = self.add_weight(
            shape=(size, length), initializer="zeros", name="projection", autocast=False
        )

    def call(
        self, x: tf.Tensor, *, example_ids: tf.Tensor | None = None, positions: tf.Tensor | None = None
    ) -> tf.Tensor:
        projection = tf.convert_to_tensor(self.projection)
        for layer in self.layers:
            x = layer(x, projection, example_ids=example_ids, positions=positions)
        return x if self.norm is None else self.norm(x)


@build.register
def _linformer_layer(spec: specs.LinformerLayer, inputs: Inputs) -> LinformerLayer:
    return LinformerLayer(**parts(spec, inputs), dropout=spec.dropout)


@build.register
def _linformer_stack(spec: specs.LinformerStack, inputs: Inputs) -> LinformerStack:
    children = build_children(spec, inputs)
    attention = spec.layer.attention
    return LinformerStack(
        layers=layers(children),
        size=attention.size,
        length=attention.length,
        norm=children.get("norm"),
    )
