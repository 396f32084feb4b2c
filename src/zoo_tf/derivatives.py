"""A function with its derivative written out."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import tensorflow as tf
from tensorflow.python.eager import forwardprop_util, record

Derivative = Callable[[tf.Tensor], Sequence[tf.Tensor | None]]
"""From the gradient of what a function gave to those of its inputs; None for one that has none."""


def with_derivative(function: Callable[..., tuple[tf.Tensor, Derivative]], *inputs: tf.Tensor) -> tf.Tensor:
    """What ``function`` makes of the inputs; it gives its derivative with it, which tapes then take.

    ``tf.custom_gradient`` registers each use within a graph, and so holds the traced step, and the model, for as long
    as the process lives. Where there is no tape, as for a graph that is differentiated later, the operations' own
    derivatives serve. So they do for second derivatives, those of the one that is written out.
    """
    with record.stop_recording():
        found, derivative = function(*inputs)

    def seen(gradient: tf.Tensor) -> Sequence[tf.Tensor | None]:
        if not record.could_possibly_record():
            return derivative(gradient)
        # A tape around is to see how what the derivative keeps came of the inputs.
        _, again = function(*inputs)
        return again(gradient)

    record.record_operation(function.__name__, [found], list(inputs), seen)
    return found


def is_watched(tensor: tf.Tensor) -> bool:
    """Whether a tape is to have its gradient, or a ``tf.autodiff.ForwardAccumulator`` what comes of its tangent."""
    return bool(record.should_record_backprop([tensor]) or forwardprop_util.pack_tangents([tensor]).tangents)
