"""Widening where rounding would hurt: norms, softmax and losses."""

from __future__ import annotations

import tensorflow as tf


def at_least_float32(x: tf.Tensor) -> tf.Tensor:
    """``x`` in float32, or as it is if it is that wide already."""
    return x if x.dtype in (tf.float32, tf.float64) else tf.cast(x, tf.float32)
