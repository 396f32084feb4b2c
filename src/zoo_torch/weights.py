"""Weights by canonical name: the torch model's ``state_dict`` keys are those names already."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from zoo_common.weights import WeightSource, as_source
from zoo_spec.arrays import as_array
from zoo_spec.weights import check_names, check_shape


def get_weights(model: nn.Module) -> dict[str, np.ndarray]:
    """Copies of all weights, ``{canonical name: array}``, in torch's layout; bfloat16 ones as float32."""
    return {name: as_array(name, tensor).copy() for name, tensor in model.state_dict().items()}


def set_weights(model: nn.Module, weights: Mapping[str, object]) -> None:
    """Set all weights, arrays or either framework's tensors; those of a ``WeightSource`` are read one at a time.

    Raises InputError, changing nothing, unless every name and every shape fits.
    """
    state, source = model.state_dict(), as_source(weights)
    check(state, source)
    fill(model, state, source)


def check(state: Mapping[str, Tensor], source: WeightSource) -> None:
    """Raise InputError unless the source has every tensor of the state in its shape, and no other."""
    check_names(state, source.entries)
    for name, tensor in state.items():
        check_shape(name, tuple(tensor.shape), source.entries[name].shape)


@torch.no_grad()
def fill(model: nn.Module, state: Mapping[str, Tensor], source: WeightSource) -> None:
    """Set those of a model's tensors that ``state`` has."""
    if any(tensor.is_meta for tensor in state.values()):  # Which would take nothing, in silence.
        filled = {name: _tensor(source, name).to(tensor.dtype) for name, tensor in state.items()}
        model.load_state_dict(filled, assign=True, strict=False)
        return
    for name, tensor in state.items():
        tensor.copy_(_tensor(source, name))


def _tensor(source: WeightSource, name: str) -> Tensor:
    array = source.read(name)
    return torch.from_numpy(np.ascontiguousarray(array).reshape(array.shape))
