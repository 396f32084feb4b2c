"""Weighted sums by similarity: what all kinds of attention share."""

from __future__ import annotations

import math

import tensorflow as tf

from zoo_tf.blocks.dropout import Dropout
from zoo_tf.blocks.sizes import sizes_of
from zoo_tf.precision import at_least_float32

# B batch, T tokens, S tokens that are read, N heads, H head size.


def split(x_BTD: tf.Tensor, num_heads: int) -> tf.Tensor:
    """Heads of a projection: ``[B, T, N H]`` to ``[B, N, T, H]``."""
    batch, length, width = sizes_of(x_BTD)
    return tf.transpose(tf.reshape(x_BTD, [batch, length, num_heads, width // num_heads]), [0, 2, 1, 3])


def join(x_BNTH: tf.Tensor) -> tf.Tensor:
    """Heads side by side: ``[B, N, T, H]`` to ``[B, T, N H]``."""
    batch, heads, length, size = sizes_of(x_BNTH)
    return tf.reshape(tf.transpose(x_BNTH, [0, 2, 1, 3]), [batch, length, heads * size])


def visible(example_ids: tf.Tensor | None, length: tf.Tensor, causal: bool) -> tf.Tensor | None:
    """Which positions see which, ``[B, 1, T, T]`` or ``[T, T]`` bool; None if all do.

    A position sees those of its own example, itself among them, so no row is ever empty.
    """
    past = None
    if causal:
        position = tf.range(length)
        past = position[:, None] >= position[None, :]
    if example_ids is None:
        return past
    same = example_ids[:, None, :, None] == example_ids[:, None, None, :]
    return same if past is None else same & past


def attend(
    q_BNTH: tf.Tensor,
    k_BNSH: tf.Tensor,
    v_BNSH: tf.Tensor,
    *,
    scale: float,
    mask: tf.Tensor | None,
    dropout: Dropout,
    bias_NTS: tf.Tensor | None = None,
) -> tf.Tensor:
    """``softmax(scale q k^T + bias) v``, ``[B, N, T, H]``; ``mask`` says which positions see which, all if None."""
    # Scaling the queries is scaling the scores, on a tensor that is S / H times smaller.
    queries = q_BNTH if scale == 1 else q_BNTH * tf.constant(scale, q_BNTH.dtype)
    scores_BNTS = at_least_float32(tf.matmul(queries, k_BNSH, transpose_b=True))
    if bias_NTS is not None:
        scores_BNTS = scores_BNTS + tf.cast(bias_NTS, scores_BNTS.dtype)
    if mask is not None:
        nothing = tf.constant(0, scores_BNTS.dtype)
        scores_BNTS = scores_BNTS + tf.where(mask, nothing, tf.constant(-math.inf, scores_BNTS.dtype))
    weights_BNTS = tf.cast(tf.nn.softmax(scores_BNTS), v_BNSH.dtype)
    return tf.matmul(dropout(weights_BNTS), v_BNSH)
