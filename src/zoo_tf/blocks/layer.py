"""Transformer layers, post-norm and pre-norm, and a stack of them."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from zoo_spec.blocks import layer as specs
from zoo_spec.blocks.base import Inputs
from zoo_tf.blocks.base import Block
from zoo_tf.blocks.build import build, build_children
from zoo_tf.blocks.dropout import Dropout


class Layer(Block):
    """The parts of a layer; ``call`` is the subclass's."""

    def __init__(
        self,
        *,
        attention: keras.layers.Layer,
        attention_norm: keras.layers.Layer,
        feed_forward: keras.layers.Layer,
        feed_forward_norm: keras.layers.Layer,
        dropout: float,
        **keras_: Any,
    ) -> None:
        super().__init__(**keras_)
        self.attention = attention
        self.attention_norm = attention_norm
        self.attention_dropout = Dropout(rate=dropout, dtype=self.dtype_policy)
        self.feed_forward = feed_forward
        self.feed_forward_norm = feed_forward_norm
        self.feed_forward_dropout = Dropout(rate=dropout, dtype=self.dtype_policy)


class PostNormLayer(Layer):
    """``x = norm(x + attention(x)); x = norm(x + feed_forward(x))`` (Vaswani et al., 2017, 3.1)."""

    def call(
        self, x: tf.Tensor, *, example_ids: tf.Tensor | None = None, positions: tf.Tensor | None = None
    ) -> tf.Tensor:
        mixed = self.attention(x, example_ids=example_ids, positions=positions)
        x = self.attention_norm(x + self.attention_dropout(mixed))
        return self.feed_forward_norm(x + self.feed_forward_dropout(self.feed_forward(x)))


class PreNormLayer(Layer):
    """``x = x + attention(norm(x)); x = x + feed_forward(norm(x))`` (Xiong et al., 2020, figure 1b)."""

    def call(
        self, x: tf.Tensor, *, example_ids: tf.Tensor | None = None, positions: tf.Tensor | None = None
    ) -> tf.Tensor:
        mixed = self.attention(self.attention_norm(x), example_ids=example_ids, positions=positions)
        x = x + self.attention_dropout(mixed)
        return x + self.feed_forward_dropout(self.feed_forward(self.feed_forward_norm(x)))


class Stack(Block):
    """Layers of one kind, one after the other, then a last norm if one is given."""

    def __init__(
        self, *, layers: list[keras.layers.Layer], norm: keras.layers.Layer | None = None, **keras_: Any
    ) -> None:
        super().__init__(**keras_)
        self.layers = layers
        self.norm = norm

    def call(
        self, x: tf.Tensor, *, example_ids: tf.Tensor | None = None, positions: tf.Tensor | None = None
    ) -> tf.Tensor:
        for layer in self.layers:
            x = layer(x, example_ids=example_ids, positions=positions)
        return x if self.norm is None else self.norm(x)


def _parts(spec: specs.Layer, inputs: Inputs) -> dict[str, keras.layers.Layer]:
    children = build_children(spec, inputs)
    return {
        name: children[name] for name in ("attention", "attention_norm", "feed_forward", "feed_forward_norm")
    }


@build.register
def _post_norm_layer(spec: specs.PostNormLayer, inputs: Inputs) -> PostNormLayer:
    return PostNormLayer(**_parts(spec, inputs), dropout=spec.dropout)


@build.register
def _pre_norm_layer(spec: specs.PreNormLayer, inputs: Inputs) -> PreNormLayer:
    return PreNormLayer(**_parts(spec, inputs), dropout=spec.dropout)


@build.register
def _stack(spec: specs.Stack, inputs: Inputs) -> Stack:
    children = build_children(spec, inputs)
    layers = [children[f"layers.{index}"] for index in range(spec.num_layers)]
    return Stack(layers=layers, norm=children.get("norm"))
