"""Batch statistics over all replicas: what batch norm shares of a micro-batch, forward and backward."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import tensorflow as tf

# B rows, C channels, R replicas.


class Group(Protocol):
    """Replicas that can add up tensors: processes, or those of a `tf.distribute.Strategy` of the user's own."""

    rank: int | tf.Tensor
    size: int

    def add(self, values: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        """The sums over all replicas."""


class _Strategy:
    """The replicas of the strategy that this is called in."""

    def __init__(self, replica: tf.distribute.ReplicaContext) -> None:
        self.replica = replica
        self.rank = replica.replica_id_in_sync_group
        self.size = replica.num_replicas_in_sync

    def add(self, values: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        """The sums over all replicas."""
        return list(self.replica.all_reduce(tf.distribute.ReduceOp.SUM, list(values)))


def group_of(asked: Group | None) -> Group | None:
    """The group that was given, else that of the strategy that the caller is in; None for one alone."""
    replica = tf.distribute.get_replica_context()
    found = asked
    if found is None and replica is not None:
        found = _Strategy(replica)
    return None if found is None or found.size == 1 else found


def shared(
    x: tf.Tensor, epsilon: float, group: Group, counts: bool
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """``[B, ..., C]`` less the mean, by the root of the variance plus epsilon, of the rows of all replicas.

    Gives the mean and the unbiased variance, both ``[C]``, too. Rows that do not count are normalised, but nothing
    is taken from them, and nothing goes back to them. Means and sums of squares are joined as by Chan et al. (1979),
    which rounds as little as one pass over all rows.
    """

    @tf.custom_gradient
    def normalised(x: tf.Tensor) -> tuple[tuple[tf.Tensor, ...], object]:
        axes = list(range(x.shape.rank - 1))
        number = tf.cast(tf.size(x) // tf.shape(x)[-1] if counts else 0, x.dtype)
        mean = tf.reduce_mean(x, axes)
        squares = tf.reduce_sum(tf.square(x - mean), axes)
        numbers, means, sums = _gathered(tf.concat([number[None], mean, squares], 0), group)
        total = tf.reduce_sum(numbers)
        mean = tf.reduce_sum(numbers * means, 0) / total
        squares = tf.reduce_sum(sums * tf.cast(numbers > 0, x.dtype) + numbers * tf.square(means - mean), 0)
        inverse = tf.math.rsqrt(squares / total + tf.constant(epsilon, x.dtype))
        normal = (x - mean) * inverse

        def backward(gradient: tf.Tensor, *_: tf.Tensor) -> tf.Tensor:
            own = tf.stack([tf.reduce_sum(gradient, axes), tf.reduce_sum(gradient * normal, axes)])
            plain, along = tf.unstack(group.add([own if counts else tf.zeros_like(own)])[0] / total)
            if not counts:
                return tf.zeros_like(gradient)
            return inverse * (gradient - plain - normal * along)

        one = tf.constant(1, x.dtype)
        return (normal, mean, squares / tf.maximum(total - one, one)), backward

    return normalised(x)


def _gathered(own: tf.Tensor, group: Group) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """``[R, 1]`` numbers, ``[R, C]`` means and ``[R, C]`` sums of squares: a sum where others have zeros."""
    (all_RC,) = group.add([tf.one_hot(group.rank, group.size, dtype=own.dtype)[:, None] * own])
    channels = (own.shape[0] - 1) // 2
    numbers, means, sums = tf.split(all_RC, [1, channels, channels], 1)
    return numbers, means, sums
