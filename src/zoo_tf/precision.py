"""Which dtype each thing has, and widening where rounding would hurt: norms, softmax and losses."""

from __future__ import annotations

import tensorflow as tf

from zoo_spec.tensors import FLOAT, INT


def native_dtype(declared: str, compute: str) -> str:
    """The dtype of a tensor that the graph declares as ``declared``, in a model that computes in ``compute``."""
    if declared == INT:
        return INT
    return compute if declared == FLOAT or compute == "float64" else "float32"


def at_least_float32(x: tf.Tensor) -> tf.Tensor:
    """``x`` in float32, or as it is if it is that wide already."""
    return x if x.dtype in (tf.float32, tf.float64) else tf.cast(x, tf.float32)
