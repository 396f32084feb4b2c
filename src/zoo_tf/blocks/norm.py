"""Norms, of vectors and across places, computed in float32 or wider."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import keras
import tensorflow as tf

from zoo_spec.blocks import norm as specs
from zoo_spec.blocks.base import Inputs
from zoo_tf.blocks.base import Block, named_layers
from zoo_tf.blocks.build import build
from zoo_tf.blocks.vector_norms import layer_norm, rms_norm
from zoo_tf.precision import at_least_float32
from zoo_tf.statistics import Group, group_of, shared


class LayerNorm(Block):
    """``(x - mean) / sqrt(variance + epsilon) * gamma + beta``."""

    def __init__(self, *, size: int, epsilon: float, **keras_: Any) -> None:
        super().__init__(**keras_)
        self.epsilon = epsilon
        self.gamma = self.add_weight(shape=(size,), initializer="ones", name="gamma", autocast=False)
        self.beta = self.add_weight(shape=(size,), initializer="zeros", name="beta", autocast=False)

    def call(self, x: tf.Tensor) -> tf.Tensor:
        wide = at_least_float32(x)
        gamma, beta = (
            tf.cast(tf.convert_to_tensor(weight), wide.dtype) for weight in (self.gamma, self.beta)
        )
        return tf.cast(layer_norm(wide, gamma, beta, self.epsilon), x.dtype)


class RmsNorm(Block):
    """``x / sqrt(mean(x^2) + epsilon) * gamma``."""

    def __init__(self, *, size: int, epsilon: float, **keras_: Any) -> None:
        super().__init__(**keras_)
        self.epsilon = epsilon
        self.gamma = self.add_weight(shape=(size,), initializer="ones", name="gamma", autocast=False)

    def call(self, x: tf.Tensor) -> tf.Tensor:
        wide = at_least_float32(x)
        gamma = tf.cast(tf.convert_to_tensor(self.gamma), wide.dtype)
        return tf.cast(rms_norm(wide, gamma, self.epsilon), x.dtype)


class BatchNorm(Block):
    """Each channel of ``[B, ..., C]`` over the batch and all places; ``decay`` of the running statistics stays.

    As with Keras' own, one that is frozen (``trainable = False``) is no part of training: it uses the running
    statistics and leaves them alone. So does one that is ``fixed``, whose weights may be trained. One that is
    ``synchronized`` takes the batch of all replicas, of ``group`` or else of the strategy that it is called in. While
    ``stands_in`` its rows are no part of the batch.
    """

    fixed = False
    group: Group | None = None
    stands_in = False

    def __init__(
        self, *, channels: int, epsilon: float, decay: float, synchronized: bool = False, **keras_: Any
    ) -> None:
        super().__init__(**keras_)
        self.epsilon = epsilon
        self.decay = decay
        self.synchronized = synchronized
        shape = (channels,)
        self.gamma = self.add_weight(shape=shape, initializer="ones", name="gamma", autocast=False)
        self.beta = self.add_weight(shape=shape, initializer="zeros", name="beta", autocast=False)
        self.moving_mean = self.add_weight(
            shape=shape, initializer="zeros", name="moving_mean", trainable=False, autocast=False
        )
        self.moving_variance = self.add_weight(
            shape=shape, initializer="ones", name="moving_variance", trainable=False, autocast=False
        )

    def call(self, x: tf.Tensor, *, training: bool | None = None) -> tf.Tensor:
        wide = at_least_float32(x)
        trains = training and self.trainable and not self.fixed
        group = group_of(self.group) if trains and self.synchronized else None
        if group is not None:
            return tf.cast(affine(self._of_all(wide, group), self.gamma, self.beta), x.dtype)
        if trains:
            mean, variance = self._statistics(wide)
        else:
            mean, variance = (
                tf.cast(tf.convert_to_tensor(value), wide.dtype)
                for value in (self.moving_mean, self.moving_variance)
            )
        inverse = tf.math.rsqrt(variance + tf.constant(self.epsilon, wide.dtype))
        return tf.cast(affine((wide - mean) * inverse, self.gamma, self.beta), x.dtype)

    def _statistics(self, wide: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The batch's own mean and biased variance; moves the running ones."""
        axes = list(range(wide.shape.rank - 1))
        mean = tf.reduce_mean(wide, axes)
        variance = tf.reduce_mean(tf.square(wide - mean), axes)
        count = tf.cast(tf.size(wide) // tf.shape(wide)[-1], wide.dtype)
        one = tf.constant(1, wide.dtype)
        self._move(mean, variance * count / tf.maximum(count - one, one))
        return mean, variance

    def _of_all(self, wide: tf.Tensor, group: Group) -> tf.Tensor:
        """Normalised by the rows of all replicas; moves the running statistics."""
        normal, mean, variance = shared(wide, self.epsilon, group, not self.stands_in)
        self._move(tf.stop_gradient(mean), tf.stop_gradient(variance))
        return normal

    def _move(self, mean: tf.Tensor, variance: tf.Tensor) -> None:
        for running, found in ((self.moving_mean, mean), (self.moving_variance, variance)):
            before = tf.convert_to_tensor(running)
            kept, taken = (tf.constant(part, before.dtype) for part in (self.decay, 1 - self.decay))
            running.assign(kept * before + taken * tf.cast(found, before.dtype))


@contextlib.contextmanager
def standing_in(model: keras.Model) -> Iterator[None]:
    """While this runs, what the model is given is no part of any batch; it is there to meet other replicas."""
    norms = [layer for _, layer in named_layers(model) if isinstance(layer, BatchNorm)]
    for norm in norms:
        norm.stands_in = True
    try:
        yield
    finally:
        for norm in norms:
            norm.stands_in = False


class GroupNorm(Block):
    """Each group of channels of an example of ``[B, ..., C]`` over all places."""

    def __init__(self, *, channels: int, groups: int, epsilon: float, **keras_: Any) -> None:
        super().__init__(**keras_)
        self.epsilon = epsilon
        self.groups = groups
        self.gamma = self.add_weight(shape=(channels,), initializer="ones", name="gamma", autocast=False)
        self.beta = self.add_weight(shape=(channels,), initializer="zeros", name="beta", autocast=False)

    def call(self, x: tf.Tensor) -> tf.Tensor:
        shape = tf.shape(x)
        grouped = tf.reshape(at_least_float32(x), [shape[0], -1, self.groups, x.shape[-1] // self.groups])
        mean = tf.reduce_mean(grouped, [1, 3], keepdims=True)
        centred = grouped - mean
        variance = tf.reduce_mean(tf.square(centred), [1, 3], keepdims=True)
        inverse = tf.math.rsqrt(variance + tf.constant(self.epsilon, centred.dtype))
        normal = tf.ensure_shape(tf.reshape(centred * inverse, shape), x.shape)
        return tf.cast(affine(normal, self.gamma, self.beta), x.dtype)


def affine(x: tf.Tensor, gamma: Any, beta: Any) -> tf.Tensor:
    """``x * gamma + beta`` in the dtype of ``x``."""
    weight, bias = (tf.cast(tf.convert_to_tensor(value), x.dtype) for value in (gamma, beta))
    return x * weight + bias


@build.register
def _layer_norm(spec: specs.LayerNorm, inputs: Inputs) -> LayerNorm:
    return LayerNorm(size=inputs["x"].width, epsilon=spec.epsilon)


@build.register
def _rms_norm(spec: specs.RmsNorm, inputs: Inputs) -> RmsNorm:
    return RmsNorm(size=inputs["x"].width, epsilon=spec.epsilon)


@build.register
def _batch_norm(spec: specs.BatchNorm, inputs: Inputs) -> BatchNorm:
    return BatchNorm(
        channels=inputs["x"].width,
        epsilon=spec.epsilon,
        decay=spec.decay,
        synchronized=spec.statistics == "synchronized",
    )


@build.register
def _group_norm(spec: specs.GroupNorm, inputs: Inputs) -> GroupNorm:
    return GroupNorm(channels=inputs["x"].width, groups=spec.groups, epsilon=spec.epsilon)


@build.register
def _instance_norm(spec: specs.InstanceNorm, inputs: Inputs) -> GroupNorm:
    width = inputs["x"].width
    return GroupNorm(channels=width, groups=width, epsilon=spec.epsilon)
