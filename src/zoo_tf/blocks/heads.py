"""Heads: what turns hidden states into predictions."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from zoo_spec.blocks import heads as specs
from zoo_spec.blocks.base import Inputs
from zoo_tf.blocks.base import Block
from zoo_tf.blocks.build import build, build_children
from zoo_tf.blocks.dense import Dense
from zoo_tf.blocks.dropout import Dropout
from zoo_tf.blocks.gather import gather
from zoo_tf.blocks.tied_dense import TiedDense

# B batch, T tokens, D hidden, P predictions, V vocabulary.


class MaskedLmHead(Block):
    """Logits ``[B, P, V]`` of the masked positions only: gather, dense, activation, norm, the tied table."""

    def __init__(
        self,
        *,
        hidden_size: int,
        rows: int,
        activation: keras.layers.Layer,
        norm: keras.layers.Layer,
        **keras_: Any,
    ) -> None:
        super().__init__(**keras_)
        dtype = self.dtype_policy
        self.dense = Dense(in_features=hidden_size, out_features=hidden_size, bias=True, dtype=dtype)
        self.activation = activation
        self.norm = norm
        self.decoder = TiedDense(rows=rows, bias=True, dtype=dtype)

    def call(self, x: tf.Tensor, table: tf.Tensor, masked_positions: tf.Tensor) -> tf.Tensor:
        x_BPD = gather(x, masked_positions)
        return self.decoder(self.norm(self.activation(self.dense(x_BPD))), table)


class ClassifierHead(Block):
    """Dropout, then a dense layer to the classes: ``[..., features]`` to ``[..., classes]``."""

    def __init__(
        self, *, features: int, classes: int, dropout: float, bias: bool = True, **keras_: Any
    ) -> None:
        super().__init__(**keras_)
        self.dropout = Dropout(rate=dropout, dtype=self.dtype_policy)
        self.dense = Dense(in_features=features, out_features=classes, bias=bias, dtype=self.dtype_policy)

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return self.dense(self.dropout(x))


class ScoreHead(Block):
    """Dropout, then a dense layer to one number: ``[..., features]`` to ``[...]``."""

    def __init__(self, *, features: int, dropout: float, bias: bool = True, **keras_: Any) -> None:
        super().__init__(**keras_)
        self.dropout = Dropout(rate=dropout, dtype=self.dtype_policy)
        self.dense = Dense(in_features=features, out_features=1, bias=bias, dtype=self.dtype_policy)

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return self.dense(self.dropout(x))[..., 0]


class SpanHead(Block):
    """Where a span starts and ends: ``[B, T, D]`` to ``start_logits`` and ``end_logits``, ``[B, T]``."""

    def __init__(self, *, features: int, **keras_: Any) -> None:
        super().__init__(**keras_)
        self.dense = Dense(in_features=features, out_features=2, bias=True, dtype=self.dtype_policy)

    def call(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        logits_BT2 = self.dense(x)
        return {"start_logits": logits_BT2[..., 0], "end_logits": logits_BT2[..., 1]}


@build.register
def _masked_lm_head(spec: specs.MaskedLmHead, inputs: Inputs) -> MaskedLmHead:
    children = build_children(spec, inputs)
    return MaskedLmHead(
        hidden_size=inputs["x"].width,
        rows=int(inputs["table"].shape[0]),
        activation=children["activation"],
        norm=children["norm"],
    )


@build.register
def _classifier_head(spec: specs.ClassifierHead, inputs: Inputs) -> ClassifierHead:
    return ClassifierHead(
        features=inputs["x"].width, classes=spec.classes, dropout=spec.dropout, bias=spec.bias
    )


@build.register
def _score_head(spec: specs.ScoreHead, inputs: Inputs) -> ScoreHead:
    return ScoreHead(features=inputs["x"].width, dropout=spec.dropout, bias=spec.bias)


@build.register
def _span_head(spec: specs.SpanHead, inputs: Inputs) -> SpanHead:
    return SpanHead(features=inputs["x"].width)
