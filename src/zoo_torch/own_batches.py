"""Batches of any structure for a user's module: onto the device, counted, and as the arguments of its forward."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from zoo_spec.arrays import as_array
from zoo_spec.errors import InputError


def moved(batch: object, device: torch.device) -> Any:
    """The same structure with arrays and numbers as tensors, all on the device; what is none of these stays."""
    if isinstance(batch, np.ndarray | np.generic):
        if batch.dtype.kind in "OSU":
            return batch
        return torch.from_numpy(np.array(as_array("a batch", batch))).to(device)
    if isinstance(batch, Mapping):
        return {name: moved(value, device) for name, value in batch.items()}
    if isinstance(batch, tuple) and hasattr(batch, "_fields") and not hasattr(batch, "to"):
        return type(batch)(*(moved(value, device) for value in batch))
    if isinstance(batch, list) and _is_numbers(batch):
        return torch.as_tensor(batch).to(device)
    if isinstance(batch, tuple | list) and not hasattr(batch, "to"):
        return type(batch)(moved(value, device) for value in batch)
    if isinstance(batch, bool | int | float):
        return torch.as_tensor(batch).to(device)
    # Tensors, and what knows by itself how to move, such as packed sequences.
    return batch.to(device) if hasattr(batch, "to") else batch


def pair(batch: object, device: torch.device) -> tuple[Any, Any]:
    """Features and labels on the device; the labels of a dictionary are the whole of it, a tensor has none.

    Raises InputError for what is no pair, no dictionary and no tensor.
    """
    if isinstance(batch, Mapping):
        features = moved(batch, device)
        return features, features
    if isinstance(batch, tuple | list) and len(batch) == 2:
        return moved(batch[0], device), moved(batch[1], device)
    if isinstance(batch, Tensor | np.ndarray):
        return moved(batch, device), None
    raise InputError(
        f"a batch is {type(batch).__name__}; give a pair of features and labels, or a dictionary"
    )


def size(features: object) -> int:
    """Examples in features, by the first tensor in them that has dimensions; InputError if none has."""
    found = _first(features)
    if found is None:
        raise InputError("a batch's features hold no tensor with a dimension for the examples")
    return len(found)


def arguments(model: nn.Module, features: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """How the module takes features: dictionaries by name; a tuple as one argument or, if it takes more, as many.

    Raises InputError, before the module runs, where its forward cannot be called so.
    """
    forward = inspect.signature(model.forward)
    if isinstance(features, Mapping):
        ways: list[tuple[tuple[Any, ...], dict[str, Any]]] = [((), dict(features))]
    elif isinstance(features, tuple | list):
        ways = [((features,), {}), (tuple(features), {})]
    else:
        ways = [((features,), {})]
    problem = ""
    for args, kwargs in ways:
        try:
            forward.bind(*args, **kwargs)
        except TypeError as error:
            problem = str(error)
            continue
        return args, kwargs
    met = f"the features {', '.join(features)}" if isinstance(features, Mapping) else "these features"
    raise InputError(
        f"{type(model).__qualname__}.forward{forward} cannot take {met}: {problem}; a dictionary's values go to "
        "it by name"
    )


def _is_numbers(value: object) -> bool:
    if isinstance(value, list):
        return bool(value) and all(_is_numbers(inner) for inner in value)
    return isinstance(value, bool | int | float)


def _first(features: object) -> Tensor | None:
    if isinstance(features, Tensor):
        return features if features.dim() else None
    if isinstance(features, Mapping):
        features = tuple(features.values())
    if isinstance(features, tuple | list):
        found = (_first(value) for value in features)
        return next((value for value in found if value is not None), None)
    return None
