"""The weights that stay in memory while layers are streamed, whose moments come from files for the update alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import keras
import numpy as np
import tensorflow as tf

from zoo_common.backend import Array
from zoo_common.streaming import Host
from zoo_common.weights import Entry, WeightSource
from zoo_tf.leaves import canonical_shape
from zoo_tf.streaming_optimizer import StreamedOptimizer
from zoo_tf.streaming_units import aligned, canonical, native


class ResidentWeights(WeightSource):
    """Variables by canonical name; as a source it has them in torch's layout.

    Those that are updated share memory with an array, where the layouts are one: an update of a table then takes no
    second one.
    """

    def __init__(self, variables: Mapping[str, keras.Variable]) -> None:
        self._variables = dict(variables)
        self._arrays: dict[str, Array] = {}
        self.entries = {
            name: Entry(variable.dtype, canonical_shape(variable)) for name, variable in variables.items()
        }

    def prepare(self, names: Iterable[str]) -> None:
        """Have those that will be updated in arrays, while nothing else takes memory."""
        for name in names:
            if self._variables[name].name != "kernel":
                self._hold(name, self._held(name))

    def read(self, name: str) -> Array:
        """A copy."""
        return np.array(self._array(name))

    def assign(self, name: str, array: Array) -> None:
        """Have a weight be this, in torch's layout."""
        variable = self._variables[name]
        held = self._arrays.pop(name, None)
        if held is None:
            held = aligned(self.entries[name].shape, variable.dtype)
        np.copyto(held, array)
        self._hold(name, held)

    def update(self, name: str, gradient: tf.Tensor, optimizer: StreamedOptimizer, host: Host) -> None:
        """Take a step, by this gradient in the variable's layout, a range of values at a time."""
        variable = self._variables[name]
        held = self._held(name)
        values, changes = held.reshape(-1), tf.reshape(canonical(variable, gradient), [-1])
        for piece in host.pieces(name):
            places = [values[piece.start : piece.stop]]
            places += (piece.values[moment] for moment in optimizer.moments)
            change = changes if piece.stop - piece.start == values.size else changes[piece.start : piece.stop]
            optimizer.update(name, places, change, of=values.size)
        self._hold(name, held)

    def _held(self, name: str) -> Array:
        """Its array; one with its values where it has none."""
        held = self._arrays.pop(name, None)
        if held is None:
            held = aligned(self.entries[name].shape, self._variables[name].dtype)
            np.copyto(held, self._array(name))
        return held

    def _array(self, name: str) -> Array:
        variable = self._variables[name]
        return np.asarray(canonical(variable, tf.convert_to_tensor(variable.value)))

    def _hold(self, name: str, array: Array) -> None:
        """Give a variable an array's values, and the array itself if that will do."""
        variable = self._variables[name]
        variable.assign(native(variable, array))
        if variable.name != "kernel":
            self._arrays[name] = array
