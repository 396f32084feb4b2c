"""A projection by a table that another block owns."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from zoo_spec.blocks import tied_dense as specs
from zoo_spec.blocks.base import Inputs
from zoo_tf.blocks.base import Block
from zoo_tf.blocks.build import build
from zoo_tf.blocks.dense import restore, turned_product
from zoo_tf.precision import add_bias


class TiedDense(Block):
    """``y = x table^T + b``: ``[..., hidden]`` and ``[rows, hidden]`` to ``[..., rows]``."""

    def __init__(self, *, rows: int, bias: bool, **keras_: Any) -> None:
        super().__init__(**keras_)
        self.rows = rows
        self.bias = self.add_weight(shape=(rows,), initializer="zeros", name="bias") if bias else None

    def call(self, x: tf.Tensor, table: tf.Tensor) -> tf.Tensor:
        flat = tf.reshape(x, [-1, x.shape[-1]])
        y = turned_product(flat, table)
        if self.bias is not None:
            y = add_bias(y, self.bias)
        return restore(y, x, self.rows)


@build.register
def _tied_dense(spec: specs.TiedDense, inputs: Inputs) -> TiedDense:
    return TiedDense(rows=int(inputs["table"].shape[0]), bias=spec.bias)
