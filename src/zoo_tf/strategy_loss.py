"""A loss over the batch of all replicas of a `tf.distribute.Strategy`, each of which sees its own rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import keras
import tensorflow as tf

from zoo_tf.blocks.losses import SumLosses


def share_of_loss(loss: keras.KerasTensor, outputs: Mapping[str, tf.Tensor]) -> tf.Tensor:
    """The whole batch's loss by the number of replicas, with the gradient of this replica's part of it.

    ``loss`` is the functional model's output of that name, ``outputs`` what a replica's rows gave. Keras adds up
    gradients, and takes the mean of losses, over the replicas: so both are those of one replica that sees all rows.
    The mean of the replicas' own losses would weigh a replica with few labels as much as one with many.
    """
    operation, parts = loss._keras_history.operation, [loss]
    factors: tuple[float, ...] = (1.0,)
    if isinstance(operation, SumLosses):
        factors, parts = operation.weights_, keras.tree.flatten(operation._inbound_nodes[0].arguments.args)
    names = [part._keras_history.operation.name.removesuffix("_loss") for part in parts]
    own = [outputs[f"{name}_numerator"] for name in names]
    sums = [
        tf.stop_gradient(outputs[f"{name}_{which}"])
        for which in ("numerator", "denominator")
        for name in names
    ]
    context = tf.distribute.get_replica_context()
    if context is not None:
        sums = context.all_reduce(tf.distribute.ReduceOp.SUM, sums)
    numerators, denominators = sums[: len(names)], sums[len(names) :]
    share, whole = _ratio(factors, own, denominators), _ratio(factors, numerators, denominators)
    replicas = tf.cast(tf.distribute.get_strategy().num_replicas_in_sync, whole.dtype)
    return share + tf.stop_gradient(whole / replicas - share)


def _ratio(
    factors: Sequence[float], numerators: Sequence[tf.Tensor], denominators: Sequence[tf.Tensor]
) -> tf.Tensor:
    return tf.add_n(
        [
            tf.constant(factor, numerator.dtype) * tf.math.divide_no_nan(numerator, denominator)
            for factor, numerator, denominator in zip(factors, numerators, denominators, strict=True)
        ]
    )
