"""Picking positions out of a sequence."""

from __future__ import annotations

import tensorflow as tf

from zoo_spec.blocks import gather as specs
from zoo_spec.blocks.base import Inputs
from zoo_tf.blocks.base import Block
from zoo_tf.blocks.build import build

# B batch, T tokens, D hidden, P positions.


def gather(x_BTD: tf.Tensor, positions_BP: tf.Tensor) -> tf.Tensor:
    """The vectors at ``positions``, ``[B, P, D]``."""
    return tf.gather(x_BTD, positions_BP, batch_dims=1)


class Gather(Block):
    """The vectors at ``positions``: ``[B, T, D]`` to ``[B, P, D]``."""

    def call(self, x: tf.Tensor, positions: tf.Tensor) -> tf.Tensor:
        return gather(x, positions)


@build.register
def _gather(spec: specs.Gather, inputs: Inputs) -> Gather:
    return Gather()
