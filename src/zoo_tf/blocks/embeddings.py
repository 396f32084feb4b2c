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
        x_BTD = add_types(token["x"], self.token_type, token_type_ids)
        return {"x": self._finish(x_BTD, positions), "table": token["table"]}

    def _finish(self, x_BTD: tf.Tensor, positions: tf.Tensor | None) -> tf.Tensor:
        if self.position is not None:
            x_BTD = self.position(x_BTD, positions=positions)
        if self.norm is not None:
            x_BTD = self.norm(x_BTD)
        return self.dropout(x_BTD)


class TaskTypeEmbeddings(Embeddings):
    """The same, and a vector for the pre-training task that a token's example is of."""

    def __init__(
        self,
        *,
        rows: int,
        size: int,
        type_rows: int,
        task_type_rows: int,
        position: keras.layers.Layer | None,
        norm: keras.layers.Layer | None,
        dropout: float,
        **keras_: Any,
    ) -> None:
        super().__init__(
            rows=rows, size=size, type_rows=type_rows, position=position, norm=norm, dropout=dropout, **keras_
        )
        self.task_type = Embedding(rows=task_type_rows, size=size, dtype=self.dtype_policy)

    def call(
        self,
        input_ids: tf.Tensor,
        *,
        token_type_ids: tf.Tensor | None = None,
        task_type_ids: tf.Tensor | None = None,
        positions: tf.Tensor | None = None,
    ) -> dict[str, tf.Tensor]:
        token = self.token(input_ids)
        x_BTD = add_types(token["x"], self.token_type, token_type_ids)
        x_BTD = add_types(x_BTD, self.task_type, task_type_ids)
        return {"x": self._finish(x_BTD, positions), "table": token["table"]}


def add_types(x_BTD: tf.Tensor, table: Embedding | None, ids: tf.Tensor | None) -> tf.Tensor:
    """Adds each token's row of ``table``, the first where there are no ids; nothing without a table."""
    if table is None:
        return x_BTD
    if ids is None:
        return x_BTD + tf.cast(tf.convert_to_tensor(table.embeddings)[0], x_BTD.dtype)
    return x_BTD + table(ids)["x"]


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


@build.register
def _task_type_embeddings(spec: specs.TaskTypeEmbeddings, inputs: Inputs) -> TaskTypeEmbeddings:
    children = build_children(spec, inputs)
    return TaskTypeEmbeddings(
        rows=spec.rows,
        size=spec.size,
        type_rows=spec.type_rows,
        task_type_rows=spec.task_type_rows,
        position=children.get("position"),
        norm=children.get("norm"),
        dropout=spec.dropout,
    )
