"""Losses, in float32 or wider, as numerator over denominator."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from zoo_spec.blocks import losses as specs
from zoo_spec.blocks.base import Inputs
from zoo_tf.blocks.base import Block
from zoo_tf.blocks.build import build
from zoo_tf.precision import at_least_float32


class SoftmaxCrossEntropy(Block):
    """Cross-entropy of integer labels: gives ``loss``, ``numerator`` and ``denominator``, three scalars."""

    def __init__(self, *, label_smoothing: float, **keras_: Any) -> None:
        super().__init__(autocast=False, **keras_)
        self.label_smoothing = label_smoothing

    def call(
        self, logits: tf.Tensor, labels: tf.Tensor, weights: tf.Tensor | None = None
    ) -> dict[str, tf.Tensor]:
        wide = at_least_float32(tf.reshape(logits, [-1, logits.shape[-1]]))
        each = self._each(wide, tf.reshape(labels, [-1]))
        weights = tf.ones_like(each) if weights is None else tf.cast(tf.reshape(weights, [-1]), wide.dtype)
        numerator = tf.reduce_sum(weights * each)
        denominator = tf.reduce_sum(weights)
        return {
            "loss": numerator / tf.maximum(denominator, tf.constant(1, wide.dtype)),
            "numerator": numerator,
            "denominator": denominator,
        }

    def _each(self, logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        right = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
        if not self.label_smoothing:
            return right
        spread = tf.reduce_logsumexp(logits, -1) - tf.reduce_mean(logits, -1)
        smoothing = tf.constant(self.label_smoothing, logits.dtype)
        return (tf.constant(1, logits.dtype) - smoothing) * right + smoothing * spread


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
def _sum_losses(spec: specs.SumLosses, inputs: Inputs) -> SumLosses:
    return SumLosses(weights=spec.weights or (1.0,) * len(inputs))
