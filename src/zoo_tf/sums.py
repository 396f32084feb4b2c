"""What replicas share of a step: the sum of their gradients, of their losses, and what batch norms learned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import keras
import tensorflow as tf

from zoo_tf.blocks.base import named_layers
from zoo_tf.blocks.norm import BatchNorm
from zoo_tf.replicas import TensorFlowReplicas

Gradients = list[tf.Tensor | None]


class Sums(Protocol):
    """How a step's gradients and losses become those of all replicas, within a compiled step."""

    def finish(
        self, gradients: Gradients, losses: Mapping[str, tf.Tensor], rows: tf.Tensor
    ) -> tuple[Gradients, dict[str, tf.Tensor]]:
        """The sums of the gradients and of the losses over all replicas, of whose rows ``rows`` were here."""


class OwnAlone:
    """One process, whose sums are complete."""

    def finish(
        self, gradients: Gradients, losses: Mapping[str, tf.Tensor], rows: tf.Tensor
    ) -> tuple[Gradients, dict[str, tf.Tensor]]:
        """As they are."""
        return gradients, dict(losses)


class ReplicaSums:
    """A plain sum over all replicas, which begins as soon as the backward pass has the last layers' gradients.

    TensorFlow packs what it sums, the last first, and runs what a pack needs and no more before the pack leaves.
    What the loss does not reach counts as zeros.
    """

    def __init__(
        self,
        parameters: Sequence[keras.Variable],
        norms: Sequence[BatchNorm],
        replicas: TensorFlowReplicas,
    ) -> None:
        self.parameters = parameters
        self.norms = norms
        self.replicas = replicas

    def finish(
        self, gradients: Gradients, losses: Mapping[str, tf.Tensor], rows: tf.Tensor
    ) -> tuple[Gradients, dict[str, tf.Tensor]]:
        """The sums; running statistics of local batches become the replicas' mean, weighted by their rows."""
        dense = [
            tf.zeros_like(parameter) if gradient is None else tf.convert_to_tensor(gradient)
            for parameter, gradient in zip(self.parameters, gradients, strict=True)
        ]
        running = [each for norm in self.norms for each in (norm.moving_mean, norm.moving_variance)]
        count = tf.cast(rows, tf.float64)
        weighted = [count * tf.cast(tf.convert_to_tensor(each), tf.float64) for each in running]
        others = [count, *(tf.cast(loss, tf.float64) for loss in losses.values()), *weighted]
        found = self.replicas.add([*dense, *others])
        whole, *rest = found[len(dense) :]
        for each, total in zip(running, rest[len(losses) :], strict=True):
            each.assign(tf.cast(total / whole, each.dtype))
        return found[: len(dense)], dict(zip(losses, rest, strict=False))


def sums_of(model: keras.Model, parameters: Sequence[keras.Variable], replicas: object) -> Sums:
    """What a model in training needs to be one of these replicas."""
    if not isinstance(replicas, TensorFlowReplicas):
        return OwnAlone()
    norms = [layer for _, layer in named_layers(model) if isinstance(layer, BatchNorm) and not layer.fixed]
    for norm in norms:
        norm.group = replicas
    return ReplicaSums(parameters, [norm for norm in norms if not norm.synchronized], replicas)
