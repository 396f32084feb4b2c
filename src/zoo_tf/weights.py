"""Weights by canonical name, in torch's layout."""

from __future__ import annotations

from collections.abc import Mapping

import keras
import numpy as np

from zoo_spec.arrays import as_array
from zoo_spec.graph import Graph
from zoo_spec.weights import check_names, check_shape
from zoo_tf.leaves import canonical_shape, from_canonical, named_variables, to_canonical


def get_weights(model: keras.Model) -> dict[str, np.ndarray]:
    """Copies of all weights, ``{canonical name: array}``, in torch's layout."""
    return {
        name: np.ascontiguousarray(to_canonical(variable, variable.numpy()))
        for name, variable in named_variables(model)
    }


def set_weights(model: keras.Model, weights: Mapping[str, object]) -> None:
    """Set all weights, arrays or either framework's tensors.

    Raises InputError, changing nothing, unless every name and every shape fits.
    """
    variables = dict(named_variables(model))
    check_names(variables, weights)
    arrays = {name: as_array(name, weights[name]) for name in variables}
    for name, variable in variables.items():
        check_shape(name, canonical_shape(variable), arrays[name].shape)
    for name, variable in variables.items():
        variable.assign(from_canonical(variable, arrays[name]))


def initialize(model: keras.Model, graph: Graph, seed: int) -> None:
    """Give the model its initial values, one at a time, without a second copy of them all."""
    variables = dict(named_variables(model))
    parameters = graph.parameters()
    check_names(variables, parameters)
    for name, parameter in parameters.items():
        check_shape(name, canonical_shape(variables[name]), parameter.shape)
        value = parameter.initializer.draw(seed, name, parameter.shape)
        variables[name].assign(from_canonical(variables[name], value))
