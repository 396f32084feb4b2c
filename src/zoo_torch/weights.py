"""Weights by canonical name: the torch model's ``state_dict`` keys are those names already."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import nn

from zoo_spec.arrays import as_array
from zoo_spec.graph import Graph
from zoo_spec.weights import check_names, check_shape


def get_weights(model: nn.Module) -> dict[str, np.ndarray]:
    """Copies of all weights, ``{canonical name: array}``, in torch's layout; bfloat16 ones as float32."""
    return {name: as_array(name, tensor).copy() for name, tensor in model.state_dict().items()}


def set_weights(model: nn.Module, weights: Mapping[str, object]) -> None:
    """Set all weights, arrays or either framework's tensors.

    Raises InputError, changing nothing, unless every name and every shape fits.
    """
    state = model.state_dict()
    check_names(state, weights)
    arrays = {name: as_array(name, weights[name]) for name in state}
    for name, tensor in state.items():
        check_shape(name, tuple(tensor.shape), arrays[name].shape)
    values = {
        name: torch.from_numpy(np.ascontiguousarray(arrays[name]).reshape(tensor.shape))
        for name, tensor in state.items()
    }
    with torch.no_grad():
        if any(tensor.is_meta for tensor in state.values()):  # Which would take nothing, in silence.
            narrow = {name: value.to(state[name].dtype, copy=True) for name, value in values.items()}
            model.load_state_dict(narrow, assign=True)
            return
        for name, tensor in state.items():
            tensor.copy_(values[name])


def initialize(model: nn.Module, graph: Graph, seed: int, dtype: torch.dtype) -> None:
    """Give a model that was built without memory its initial values, without a second copy of them."""
    state = {
        name: torch.from_numpy(parameter.initializer.draw(seed, name, parameter.shape)).to(dtype)
        for name, parameter in graph.parameters().items()
    }
    model.load_state_dict(state, strict=True, assign=True)
