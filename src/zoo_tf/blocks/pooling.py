"""One vector for a whole example out of those of its tokens, without weights."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from zoo_spec.blocks import pooling as specs
from zoo_spec.blocks.base import Inputs
from zoo_tf.blocks.base import Block
from zoo_tf.blocks.build import build
from zoo_tf.precision import at_least_float32

# B batch, T tokens, D hidden, E examples in a row.


class MeanPooling(Block):
    """The mean of an example's tokens: ``[B, T, D]`` to ``[B, D]``, or ``[B, E, D]`` of packed rows."""

    def call(
        self, x: tf.Tensor, *, example_ids: tf.Tensor | None = None, pooled_positions: tf.Tensor | None = None
    ) -> tf.Tensor:
        wide = at_least_float32(x)
        weights_BET = tf.cast(belongs(x, example_ids, pooled_positions), wide.dtype)
        sums, numbers = tf.matmul(weights_BET, wide), _at_least(1e-9, _sum(weights_BET))
        return tf.cast(one_or_each(sums / numbers, pooled_positions), x.dtype)


class SquareRootPooling(Block):
    """Their sum over the square root of their number: ``[B, T, D]`` to ``[B, D]``, or ``[B, E, D]``."""

    def call(
        self, x: tf.Tensor, *, example_ids: tf.Tensor | None = None, pooled_positions: tf.Tensor | None = None
    ) -> tf.Tensor:
        wide = at_least_float32(x)
        weights_BET = tf.cast(belongs(x, example_ids, pooled_positions), wide.dtype)
        sums, numbers = tf.matmul(weights_BET, wide), _at_least(1e-9, _sum(weights_BET))
        return tf.cast(one_or_each(sums / tf.sqrt(numbers), pooled_positions), x.dtype)


class WeightedMeanPooling(Block):
    """Their mean, where the k-th token weighs k: ``[B, T, D]`` to ``[B, D]``, or ``[B, E, D]``."""

    def call(
        self, x: tf.Tensor, *, example_ids: tf.Tensor | None = None, pooled_positions: tf.Tensor | None = None
    ) -> tf.Tensor:
        wide = at_least_float32(x)
        numbers_T = tf.range(1, tf.shape(x)[1] + 1)
        starts_BE1 = 0 if pooled_positions is None else pooled_positions[:, :, tf.newaxis]
        mine_BET = tf.cast(belongs(x, example_ids, pooled_positions), tf.int32)
        weights_BET = tf.cast(mine_BET * (numbers_T - starts_BE1), wide.dtype)
        sums, numbers = tf.matmul(weights_BET, wide), _at_least(1e-9, _sum(weights_BET))
        return tf.cast(one_or_each(sums / numbers, pooled_positions), x.dtype)


class MaxPooling(Block):
    """The largest value of each feature: ``[B, T, D]`` to ``[B, D]``, or ``[B, E, D]`` of packed rows."""

    def call(
        self, x: tf.Tensor, *, example_ids: tf.Tensor | None = None, pooled_positions: tf.Tensor | None = None
    ) -> tf.Tensor:
        mine_BET = belongs(x, example_ids, pooled_positions)
        values = tf.where(mine_BET[:, :, :, tf.newaxis], x[:, tf.newaxis], x.dtype.min)
        return one_or_each(tf.reduce_max(values, 2), pooled_positions)


class UnitLength(Block):
    """``x / max(|x|, epsilon)`` of each vector."""

    def __init__(self, *, epsilon: float, **keras_: Any) -> None:
        super().__init__(**keras_)
        self.epsilon = epsilon

    def call(self, x: tf.Tensor) -> tf.Tensor:
        wide = at_least_float32(x)
        # Not tf.norm, whose gradient at a vector of zeros is NaN.
        square = tf.reduce_sum(tf.square(wide), -1, keepdims=True)
        return tf.cast(wide / tf.sqrt(_at_least(self.epsilon**2, square)), x.dtype)


def belongs(x: tf.Tensor, example_ids: tf.Tensor | None, pooled_positions: tf.Tensor | None) -> tf.Tensor:
    """``[B, E, T]``: which tokens are of each example, or, of rows with one, are no padding (E is 1)."""
    ids_BT = tf.ones(tf.shape(x)[:2], tf.int32) if example_ids is None else example_ids
    if pooled_positions is None:
        return (ids_BT > 0)[:, tf.newaxis]
    wanted_BE = tf.gather(ids_BT, pooled_positions, batch_dims=1)
    return ids_BT[:, tf.newaxis] == wanted_BE[:, :, tf.newaxis]


def one_or_each(vectors_BED: tf.Tensor, pooled_positions: tf.Tensor | None) -> tf.Tensor:
    """``[B, D]`` of rows with one example each, ``[B, E, D]`` of packed ones."""
    return vectors_BED[:, 0] if pooled_positions is None else vectors_BED


def _sum(weights_BET: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(weights_BET, 2, keepdims=True)


def _at_least(least: float, x: tf.Tensor) -> tf.Tensor:
    return tf.maximum(x, tf.constant(least, x.dtype))


@build.register
def _mean(spec: specs.MeanPooling, inputs: Inputs) -> MeanPooling:
    return MeanPooling()


@build.register
def _square_root(spec: specs.SquareRootPooling, inputs: Inputs) -> SquareRootPooling:
    return SquareRootPooling()


@build.register
def _weighted_mean(spec: specs.WeightedMeanPooling, inputs: Inputs) -> WeightedMeanPooling:
    return WeightedMeanPooling()


@build.register
def _max(spec: specs.MaxPooling, inputs: Inputs) -> MaxPooling:
    return MaxPooling()


@build.register
def _unit_length(spec: specs.UnitLength, inputs: Inputs) -> UnitLength:
    return UnitLength(epsilon=spec.epsilon)
