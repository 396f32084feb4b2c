"""The input of a transformer: token, position and type embeddings, their sum, norm and dropout."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from zoo_spec.blocks import embeddings as specs
from zoo_spec.blocks.base import Inputs
from zoo_tf.blocks.base import Block
from zoo_tf.blocks.build import build, build_children
from zoo_tf.blocks.dropout import Dropout
from zoo_tf.blocks.embedding import Embedding

# B batch, T tokens, D hidden.


class Embeddings(Block):
    """Sum of token, position and type embeddings, then norm and dropout."""

    def __init__(
        self,
        *,
        rows: int,
        size: int,
        type_rows: int,
        position: keras.layers.Layer | None,
        norm: keras.layers.Layer | None,
        dropout: float,
        **keras_: Any,
    ) -> None:
        super().__init__(**keras_)
        dtype = self.dtype_policy
        self.token = Embedding(rows=rows, size=size, dtype=dtype)
        self.position = position
        self.token_type = Embedding(rows=type_rows, size=size, dtype=dtype) if type_rows else None
        self.norm = norm
        self.dropout = Dropout(rate=dropout, dtype=dtype)

    def call(
        self,
        input_ids: tf.Tensor,
        *,
        token_type_ids: tf.Tensor | None = None,
        positions: tf.Tensor | None = None,
    ) -> dict[str, tf.Tensor]:
        token = self.token(input_ids)
        x_BTD = token["x"]
        if self.token_type is not None:
            x_BTD = x_BTD + self._types(token_type_ids)
        if self.position is not None:
            x_BTD = self.position(x_BTD, positions=positions)
        if self.norm is not None:
            x_BTD = self.norm(x_BTD)
        return {"x": self.dropout(x_BTD), "table": token["table"]}

    def _types(self, token_type_ids: tf.Tensor | None) -> tf.Tensor:
        if token_type_ids is None:
            return tf.cast(tf.convert_to_tensor(self.token_type.embeddings)[0], self.compute_dtype)
        return self.token_type(token_type_ids)["x"]


@build.register
def _embeddings(spec: specs.Embeddings, inputs: Inputs) -> Embeddings:
    children = build_children(spec, inputs)
    return Embeddings(
        rows=spec.rows,
        size=spec.size,
        type_rows=spec.type_rows,
        position=children.get("position"),
        norm=children.get("norm"),
        dropout=spec.dropout,
    )
