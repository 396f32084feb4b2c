"""A table of vectors, one a token."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from zoo_spec.blocks import embedding as specs
from zoo_spec.blocks.base import Inputs
from zoo_tf.blocks.base import Block
from zoo_tf.blocks.build import build


class Embedding(Block):
    """Rows of a table by id; gives the rows as ``x`` and the table itself, for tied heads."""

    def __init__(self, *, rows: int, size: int, **keras_: Any) -> None:
        super().__init__(**keras_)
        self.embeddings = self.add_weight(
            shape=(rows, size), initializer="zeros", name="embeddings", autocast=False
        )

    def call(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        table = tf.convert_to_tensor(self.embeddings)
        # Rounded after the rows are taken, so that their gradients add up in float32.
        return {
            "x": tf.cast(tf.gather(table, x), self.compute_dtype),
            "table": tf.cast(table, self.compute_dtype),
        }


@build.register
def _embedding(spec: specs.Embedding, inputs: Inputs) -> Embedding:
    return Embedding(rows=spec.rows, size=spec.size)
