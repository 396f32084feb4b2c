"""Variables by canonical name, and the one table of how Keras' leaf names and layouts map to torch's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import keras
import numpy as np

from zoo_tf.blocks.base import named_layers

LEAVES = {
    "kernel": "weight",
    "gamma": "weight",
    "embeddings": "weight",
    "bias": "bias",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
    "class_token": "class_token",
    "mask_embedding": "mask_embedding",
    "gain": "gain",
    "direction": "direction",
    "codes": "codes",
    "projection": "projection",
    "key_projection": "key_projection",
    "value_projection": "value_projection",
}

# Axes of torch's layout in terms of Keras', by the kernel's rank: dense [in, out]; convolutions [size, in, out] and
# [h, w, in, out].
TO_TORCH = {2: (1, 0), 3: (2, 1, 0), 4: (3, 2, 0, 1)}


def named_variables(model: keras.Model) -> Iterator[tuple[str, keras.Variable]]:
    """Every variable of the model by canonical name, each once."""
    return variables_of(named_layers(model))


def variables_of(layers: Iterable[tuple[str, keras.layers.Layer]]) -> Iterator[tuple[str, keras.Variable]]:
    """Every variable of these layers, which stand with their paths, by canonical name."""
    for path, layer in layers:
        for attribute, value in vars(layer).items():
            if isinstance(value, keras.Variable) and attribute in LEAVES:
                yield f"{path}.{LEAVES[attribute]}", value


def to_canonical(variable: keras.Variable, value: np.ndarray) -> np.ndarray:
    """A value of this variable (or its gradient, or an optimizer's moment) in torch's layout."""
    return np.transpose(value, TO_TORCH[value.ndim]) if variable.name == "kernel" else value


def from_canonical(variable: keras.Variable, value: np.ndarray) -> np.ndarray:
    """A value in torch's layout in this variable's own."""
    return np.transpose(value, np.argsort(TO_TORCH[value.ndim])) if variable.name == "kernel" else value


def canonical_shape(variable: keras.Variable) -> tuple[int, ...]:
    """The variable's shape in torch's layout."""
    shape = tuple(variable.shape)
    return tuple(shape[axis] for axis in TO_TORCH[len(shape)]) if variable.name == "kernel" else shape
