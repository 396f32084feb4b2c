"""Connectionist temporal classification: labels whose places in time are not known (Graves et al., 2006)."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from zoo_spec.blocks import ctc_loss as specs
from zoo_spec.blocks.base import Inputs
from zoo_tf.blocks.base import Block
from zoo_tf.blocks.build import build
from zoo_tf.blocks.losses import weighted
from zoo_tf.precision import at_least_float32

# B batch, T frames, C classes, L labels, S states: a blank, the first label, a blank, ..., a blank.
NEVER = -1e30
"""The log of a probability of 0; finite, since minus infinity less minus infinity is no number."""


class CtcLoss(Block):
    """Of ``logits [B, T, C]`` and ``labels [B, L]``: gives ``loss``, ``numerator`` and ``denominator``, scalars.

    TensorFlow's own raises in float64, and Keras' computes in float32 whatever it is given.
    """

    def __init__(self, **keras_: Any) -> None:
        super().__init__(autocast=False, **keras_)

    def call(
        self,
        logits: tf.Tensor,
        labels: tf.Tensor,
        weights: tf.Tensor | None = None,
        *,
        frame_ids: tf.Tensor | None = None,
    ) -> dict[str, tf.Tensor]:
        # The recursion adds up the logarithms of whole paths, of whose size float32 leaves a gradient few digits.
        log_BTC = tf.nn.log_softmax(tf.cast(logits, tf.float64))
        is_label = labels != specs.BLANK
        if weights is not None:  # An infinite loss times no weight is no number.
            is_label = is_label & (weights > 0)[:, tf.newaxis]
        order = tf.argsort(tf.cast(~is_label, tf.int32), stable=True)
        labels = tf.gather(labels, order, batch_dims=1)
        counts = tf.reduce_sum(tf.cast(is_label, tf.int32), 1)
        if frame_ids is None:
            lengths = tf.fill(tf.shape(counts), tf.shape(logits)[1])
        else:
            lengths = tf.reduce_sum(tf.cast(frame_ids > 0, tf.int32), 1)
        each = _minus_log_probability(log_BTC, labels, counts, lengths)
        return weighted(tf.cast(each, at_least_float32(logits).dtype), weights)


def _minus_log_probability(
    log_BTC: tf.Tensor, labels_BL: tf.Tensor, counts_B: tf.Tensor, lengths_B: tf.Tensor
) -> tf.Tensor:
    """The forward recursion (Graves et al., 2006, 4.1), in logarithms."""
    never = tf.constant(NEVER, log_BTC.dtype)
    blanks_BL = tf.fill(tf.shape(labels_BL), specs.BLANK)
    states_BS = tf.reshape(tf.stack([blanks_BL, labels_BL], 2), [tf.shape(labels_BL)[0], -1])
    states_BS = tf.pad(states_BS, [[0, 0], [0, 1]], constant_values=specs.BLANK)
    # From a label to the next without a blank, unless they are alike. A blank is like the one two before.
    skips_BS = states_BS != tf.pad(states_BS, [[0, 0], [2, 0]], constant_values=specs.BLANK)[:, :-2]
    said_TBS = tf.transpose(tf.gather(log_BTC, states_BS, axis=2, batch_dims=1), [1, 0, 2])

    def step(before_BS: tf.Tensor, frame: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        said_BS, time = frame
        one_BS, two_BS = (
            tf.pad(before_BS, [[0, 0], [shift, 0]], constant_values=NEVER)[:, :-shift] for shift in (1, 2)
        )
        two_BS = tf.where(skips_BS, two_BS, never)
        after_BS = said_BS + tf.reduce_logsumexp(tf.stack([before_BS, one_BS, two_BS]), 0)
        return tf.where(time < lengths_B[:, None], after_BS, before_BS)

    # Before the first frame all is at the first blank, of which nothing was said.
    first_BS = tf.where(tf.range(tf.shape(states_BS)[1]) < 1, tf.zeros_like(said_TBS[0]), never)
    times_T = tf.range(tf.shape(said_TBS)[0])
    reached_BS = tf.foldl(step, (said_TBS, times_T), initializer=first_BS)
    blank_B = tf.gather(reached_BS, 2 * counts_B, axis=1, batch_dims=1)
    label_B = tf.gather(reached_BS, tf.maximum(2 * counts_B - 1, 0), axis=1, batch_dims=1)
    label_B = tf.where(counts_B > 0, label_B, never)
    found_B = -tf.reduce_logsumexp(tf.stack([blank_B, label_B]), 0)
    return tf.where(found_B < -never / 10, found_B, tf.constant(float("inf"), found_B.dtype))


@build.register
def _ctc_loss(spec: specs.CtcLoss, inputs: Inputs) -> CtcLoss:
    return CtcLoss()
