"""Weights by canonical name, in torch's layout."""

from __future__ import annotations

from collections.abc import Mapping

import keras
import numpy as np

from zoo_common.weights import as_source
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
    variables, source = dict(named_variables(model)), as_source(weights)
    check_names(variables, source.entries)
    for name, variable in variables.items():
        check_shape(name, canonical_shape(variable), source.entries[name].shape)
    for name, variable in variables.items():
        variable.assign(from_canonical(variable, source.read(name)))
