"""Weights by canonical name, in torch's layout."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Collection, Iterator, Mapping

import keras
import numpy as np
import tensorflow as tf
from keras.src.backend.common import global_state

from zoo_common.weights import WeightSource, as_source
from zoo_spec.weights import check_names, check_shape
from zoo_tf.leaves import canonical_shape, from_canonical, named_variables, to_canonical


def get_weights(model: keras.Model) -> dict[str, np.ndarray]:
    """Copies of all weights, ``{canonical name: array}``, in torch's layout."""
    return {
        name: np.ascontiguousarray(to_canonical(variable, variable.numpy()))
        for name, variable in named_variables(model)
    }


def set_weights(model: keras.Model, weights: Mapping[str, object]) -> None:
    """Set all weights, arrays or either framework's tensors; those of a ``Source`` are read one at a time.

    Raises InputError, changing nothing, unless every name and every shape fits.
    """
    source = as_source(weights)
    for name, variable in fitting(model, source).items():
        variable.assign(from_canonical(variable, source.read(name)))


@contextlib.contextmanager
def without_memory() -> Iterator[None]:
    """Variables that are made while this lasts get no memory before ``fill`` gives them values.

    Zeros first would take a model's whole memory, and then that of its largest tensor thrice while it is replaced.
    """
    with keras.StatelessScope(initialize_variables=False):
        yield


def fill(model: keras.Model, source: WeightSource, without: Collection[str] = ()) -> None:
    """Give a model that was made ``without_memory`` its weights, one at a time; errors as of ``set_weights``.

    Those ``without`` never get any memory.
    """
    waiting = global_state.get_global_attribute(_WAITING, [])
    global_state.set_global_attribute(_WAITING, [])
    hollow = set()
    for name, variable in fitting(model, source).items():
        if name in without:
            hollow.add(id(variable))
            continue
        variable._initializer = functools.partial(_value, source, name, variable)
    kept = {id(variable) for variable in model.variables} - hollow
    for (
        variable
    ) in waiting:  # Those of random generators too, and not those of layers that were given up again.
        if id(variable) in kept:
            variable._deferred_initialize()


_WAITING = "uninitialized_variables"
"""Where Keras keeps them."""


def _value(
    source: WeightSource, name: str, variable: keras.Variable, shape: tuple[int, ...], dtype: str
) -> tf.Tensor:
    array = np.ascontiguousarray(from_canonical(variable, source.read(name)))
    return tf.constant(array, dtype)


def fitting(model: keras.Model, source: WeightSource) -> dict[str, keras.Variable]:
    """The model's variables by name; InputError unless the source has each of them, in its shape, and no more."""
    variables = dict(named_variables(model))
    check_names(variables, source.entries)
    for name, variable in variables.items():
        check_shape(name, canonical_shape(variable), source.entries[name].shape)
    return variables
