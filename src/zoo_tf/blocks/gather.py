"""Picking positions out of a sequence."""

from __future__ import annotations

import tensorflow as tf

# B batch, T tokens, D hidden, P positions.


def gather(x_BTD: tf.Tensor, positions_BP: tf.Tensor) -> tf.Tensor:
    """The vectors at ``positions``, ``[B, P, D]``."""
    return tf.gather(x_BTD, positions_BP, batch_dims=1)
