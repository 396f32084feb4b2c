"""Calls of a ``tf.function`` by tensors whose kinds are known, past TensorFlow's search for the trace that fits."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

import tensorflow as tf

Call = Callable[[Sequence[tf.Tensor]], list[tf.Tensor]]


class Traced:
    """A function of tensors one after the other, traced once for each ``key`` that it is called by.

    TensorFlow would look at each tensor of a call to find the trace: of sixteen that takes half a millisecond, and
    the call itself a tenth of one. Who gives one key gives tensors of the same dtypes, and of shapes that the
    function's signature has, or of the same shapes. To be called eagerly, and by nobody who records gradients.
    """

    def __init__(self, function: tf.types.experimental.PolymorphicFunction) -> None:
        self._function = function
        self._calls: dict[Hashable, Call] = {}

    def __call__(self, tensors: Sequence[tf.Tensor], key: Hashable = None) -> list[tf.Tensor]:
        """What the function gives, one after the other."""
        call = self._calls.get(key)
        if call is None:
            call = self._calls[key] = _call(self._function.get_concrete_function(*tensors))
        return call(tensors)


def _call(traced: tf.types.experimental.ConcreteFunction) -> Call:
    captured = traced.captured_inputs  # Handles of variables, which stay what they are.

    def call(tensors: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        return traced.inference_fn.call_flat(*tensors, *captured)

    return call
