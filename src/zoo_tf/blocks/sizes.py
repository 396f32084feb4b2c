"""Sizes of a tensor: numbers where they are known when a graph is traced, else tensors."""

from __future__ import annotations

import tensorflow as tf

Size = int | tf.Tensor


def sizes_of(x: tf.Tensor) -> list[Size]:
    """Each size of ``x``; those that are open by one operation, where ``tf.shape(x)[axis]`` is four for each."""
    if x.shape.is_fully_defined():
        return list(x.shape)
    found = tf.unstack(tf.shape(x))
    return [size if known is None else known for known, size in zip(x.shape, found, strict=True)]
