"""Losses, in float32 or wider, as numerator over denominator."""

from __future__ import annotations

import math
from typing import Any

import tensorflow as tf

from zoo_spec.blocks import losses as specs
from zoo_spec.blocks.base import Inputs
from zoo_tf.blocks.base import Block
from zoo_tf.blocks.build import build
from zoo_tf.blocks.product import Product, cross_entropy_sum
from zoo_tf.precision import at_least_float32

# B batch, T tokens, E examples in a row.


class SoftmaxCrossEntropy(Block):
    """Cross-entropy of integer labels: gives ``loss``, ``numerator`` and ``denominator``, three scalars."""

    def __init__(self, *, label_smoothing: float, **keras_: Any) -> None:
        super().__init__(autocast=False, **keras_)
        self.label_smoothing = label_smoothing
        self._allow_non_tensor_positional_args = True  # A Product is none.

    def call(
        self, logits: tf.Tensor | Product, labels: tf.Tensor, weights: tf.Tensor | None = None
    ) -> dict[str, tf.Tensor]:
        if isinstance(logits, Product):
            return self._in_parts(logits, tf.reshape(labels, [-1]), weights)
        wide = at_least_float32(tf.reshape(logits, [-1, logits.shape[-1]]))
        each = self._each(wide, tf.reshape(labels, [-1]))
        return weighted(each, weights)

    def _in_parts(
        self, logits: Product, labels: tf.Tensor, weights: tf.Tensor | None
    ) -> dict[str, tf.Tensor]:
        wide = tf.float64 if logits.x.dtype == tf.float64 else tf.float32
        ones = tf.ones(tf.shape(labels), wide)
        weights = ones if weights is None else tf.cast(tf.reshape(weights, [-1]), wide)
        return ratio(cross_entropy_sum(logits, labels, weights, self.label_smoothing), tf.reduce_sum(weights))

    def _each(self, logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        right = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
        if not self.label_smoothing:
            return right
        spread = tf.reduce_logsumexp(logits, -1) - tf.reduce_mean(logits, -1)
        smoothing = tf.constant(self.label_smoothing, logits.dtype)
        return (tf.constant(1, logits.dtype) - smoothing) * right + smoothing * spread


class PositionCrossEntropy(Block):
    """Cross-entropy of a position: gives ``loss``, ``numerator`` and ``denominator``, three scalars."""

    def __init__(self, **keras_: Any) -> None:
        super().__init__(autocast=False, **keras_)

    def call(
        self,
        logits: tf.Tensor,
        labels: tf.Tensor,
        weights: tf.Tensor | None = None,
        *,
        example_ids: tf.Tensor | None = None,
    ) -> dict[str, tf.Tensor]:
        logits_BT = at_least_float32(logits)
        at_BE = tf.reshape(labels, [tf.shape(logits)[0], -1])
        right_BE = tf.gather(logits_BT, at_BE, batch_dims=1)
        logits_BET = logits_BT[:, tf.newaxis]
        if example_ids is not None:
            own_BE = tf.gather(example_ids, at_BE, batch_dims=1)
            others_BET = example_ids[:, tf.newaxis] != own_BE[:, :, tf.newaxis]
            logits_BET = tf.where(others_BET, tf.constant(-math.inf, logits_BT.dtype), logits_BET)
        return weighted(tf.reshape(tf.reduce_logsumexp(logits_BET, 2) - right_BE, [-1]), weights)


class SigmoidCrossEntropy(Block):
    """Binary cross-entropy: gives ``loss``, ``numerator`` and ``denominator``, three scalars."""

    def __init__(self, **keras_: Any) -> None:
        super().__init__(autocast=False, **keras_)

    def call(
        self, logits: tf.Tensor, labels: tf.Tensor, weights: tf.Tensor | None = None
    ) -> dict[str, tf.Tensor]:
        wide = at_least_float32(tf.reshape(logits, [-1]))
        labels = tf.cast(tf.reshape(labels, [-1]), wide.dtype)
        return weighted(tf.nn.sigmoid_cross_entropy_with_logits(labels, wide), weights)


class SquaredError(Block):
    """Squared differences: gives ``loss``, ``numerator`` and ``denominator``, three scalars."""

    def __init__(self, **keras_: Any) -> None:
        super().__init__(autocast=False, **keras_)

    def call(
        self, logits: tf.Tensor, labels: tf.Tensor, weights: tf.Tensor | None = None
    ) -> dict[str, tf.Tensor]:
        wide = at_least_float32(tf.reshape(logits, [-1]))
        labels = tf.cast(tf.reshape(labels, [-1]), wide.dtype)
        return weighted(tf.math.squared_difference(wide, labels), weights)


class Dice(Block):
    """1 less the Dice coefficient of each image: gives ``loss``, ``numerator`` and ``denominator``."""

    def __init__(self, *, smoothing: float, **keras_: Any) -> None:
        super().__init__(autocast=False, **keras_)
        self.smoothing = smoothing

    def each(self, p: tf.Tensor, g: tf.Tensor, w: tf.Tensor) -> tf.Tensor:
        """``1 - dice [batch]`` of probabilities, labels and weights ``[batch, places, classes]``."""
        smoothing = tf.constant(self.smoothing, p.dtype)
        w = tf.math.divide_no_nan(w, tf.reduce_max(w, 1, keepdims=True))
        overlap = tf.constant(2, p.dtype) * tf.reduce_sum(w * p * g, 1) + smoothing
        dice = overlap / (tf.reduce_sum(w * p, 1) + tf.reduce_sum(w * g, 1) + smoothing)
        return tf.constant(1, p.dtype) - tf.reduce_mean(dice, -1)


class SoftmaxDice(Dice):
    """The mean over all classes: ``logits [batch, ..., classes]``, ``labels`` and ``weights [batch, ...]``."""

    def call(
        self, logits: tf.Tensor, labels: tf.Tensor, weights: tf.Tensor | None = None
    ) -> dict[str, tf.Tensor]:
        batch, classes = tf.shape(logits)[0], logits.shape[-1]
        p = tf.nn.softmax(tf.reshape(at_least_float32(logits), [batch, -1, classes]))
        g = tf.one_hot(tf.reshape(labels, [batch, -1]), classes, dtype=p.dtype)
        ones = tf.ones_like(p[..., 0])
        w = ones if weights is None else tf.cast(tf.reshape(weights, [batch, -1]), p.dtype)
        return weighted(self.each(p, g, w[..., None]), tf.reduce_sum(w, 1))


class SigmoidDice(Dice):
    """Of one class, 1, against 0: ``logits``, ``labels`` and ``weights [batch, ...]``."""

    def call(
        self, logits: tf.Tensor, labels: tf.Tensor, weights: tf.Tensor | None = None
    ) -> dict[str, tf.Tensor]:
        flat = [tf.shape(logits)[0], -1]
        p = tf.sigmoid(tf.reshape(at_least_float32(logits), flat))
        g = tf.cast(tf.reshape(labels, flat), p.dtype)
        w = tf.ones_like(p) if weights is None else tf.cast(tf.reshape(weights, flat), p.dtype)
        return weighted(self.each(p[..., None], g[..., None], w[..., None]), tf.reduce_sum(w, 1))


def weighted(each: tf.Tensor, weights: tf.Tensor | None) -> dict[str, tf.Tensor]:
    """``sum(weights * each) / sum(weights)`` of losses ``[count]``, 0 for no weight, and what it is the ratio of."""
    weights = tf.ones_like(each) if weights is None else tf.cast(tf.reshape(weights, [-1]), each.dtype)
    numerator = tf.reduce_sum(weights * each)
    return ratio(numerator, tf.reduce_sum(weights))


def ratio(numerator: tf.Tensor, denominator: tf.Tensor) -> dict[str, tf.Tensor]:
    """A loss and its parts; the loss is 0 where the denominator is."""
    return {
        "loss": tf.math.divide_no_nan(numerator, denominator),
        "numerator": numerator,
        "denominator": denominator,
    }


class SumLosses(Block):
    """Weighted sum of losses."""

    def __init__(self, *, weights: tuple[float, ...], **keras_: Any) -> None:
        super().__init__(autocast=False, **keras_)
        self.weights_ = tuple(weights)

    def call(self, *losses: tf.Tensor) -> tf.Tensor:
        terms = [
            tf.constant(weight, loss.dtype) * loss for weight, loss in zip(self.weights_, losses, strict=True)
        ]
        return tf.add_n(terms)


@build.register
def _softmax_cross_entropy(spec: specs.SoftmaxCrossEntropy, inputs: Inputs) -> SoftmaxCrossEntropy:
    return SoftmaxCrossEntropy(label_smoothing=spec.label_smoothing)


@build.register
def _position_cross_entropy(spec: specs.PositionCrossEntropy, inputs: Inputs) -> PositionCrossEntropy:
    return PositionCrossEntropy()


@build.register
def _sigmoid_cross_entropy(spec: specs.SigmoidCrossEntropy, inputs: Inputs) -> SigmoidCrossEntropy:
    return SigmoidCrossEntropy()


@build.register
def _squared_error(spec: specs.SquaredError, inputs: Inputs) -> SquaredError:
    return SquaredError()


@build.register
def _softmax_dice(spec: specs.SoftmaxDice, inputs: Inputs) -> SoftmaxDice:
    return SoftmaxDice(smoothing=spec.smoothing)


@build.register
def _sigmoid_dice(spec: specs.SigmoidDice, inputs: Inputs) -> SigmoidDice:
    return SigmoidDice(smoothing=spec.smoothing)


@build.register
def _sum_losses(spec: specs.SumLosses, inputs: Inputs) -> SumLosses:
    return SumLosses(weights=spec.weights or (1.0,) * len(inputs))
