"""A user's batches for a spec: inputs by name, checked against the graph before a framework sees them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from zoo_common.backend import Array, Batch
from zoo_common.data.base import check_range
from zoo_common.data.generated import id_limits
from zoo_common.training.feed import Feed
from zoo_spec.errors import InputError
from zoo_spec.graph import Graph
from zoo_spec.tensors import INT


def named_batches(feed: Feed, graph: Graph, *, labelled: bool = True) -> Iterator[Batch]:
    """Every batch as the graph's inputs by name, arrays with a batch dimension.

    A batch is a dictionary, or a pair of features and labels, each a dictionary or the one input that there
    is. ``labelled`` asks for every label that the loss needs. Raises InputError for an input that the graph
    lacks, one that is missing, and one of another shape, kind of number or range.
    """
    limits = id_limits(graph, {})
    for element in feed:
        batch = {name: _array(value) for name, value in _named(element, graph).items()}
        _check_names(batch, graph, labelled)
        for name, value in batch.items():
            _check(name, value, graph)
            if name in limits and value.dtype.kind in "iu":
                ids = np.asarray(value, np.int64)
                remedy = "correct the data, or give the model more"
                check_range(ids, limits[name], f"a batch's {name}", _row(ids, limits[name]), remedy)
        if len({len(value) for value in batch.values()}) > 1:
            sizes = ", ".join(f"{name} {len(value)}" for name, value in batch.items())
            raise InputError(f"the inputs of a batch have other numbers of examples: {sizes}")
        yield batch


def _named(element: object, graph: Graph) -> Mapping[str, object]:
    if isinstance(element, Mapping):
        return element
    if not isinstance(element, tuple | list) or len(element) != 2:
        raise InputError(
            f"a batch is {type(element).__name__}; give a dictionary of the inputs "
            f"{', '.join(graph.inputs)}, or a pair of features and labels"
        )
    required = [name for name in graph.features if not graph.inputs[name].optional]
    labels = [part.labels for part in graph.loss_parts if part.labels is not None]
    return {**_part(element[0], required, "features"), **_part(element[1], labels, "labels")}


def _part(value: object, names: list[str], what: str) -> Mapping[str, object]:
    if isinstance(value, Mapping):
        return value
    if len(names) != 1:
        raise InputError(f"the {what} of this model are {', '.join(names)}; give them as a dictionary")
    return {names[0]: value}


def _array(value: object) -> Array:
    # Tensors of either framework know how; one on a device of torch has to be asked for its copy here.
    cpu = getattr(value, "cpu", None)
    return np.asarray(cpu() if callable(cpu) and hasattr(value, "is_cuda") else value)


def _check_names(batch: Batch, graph: Graph, labelled: bool) -> None:
    unknown = [name for name in batch if name not in graph.inputs]
    needed = [name for name in graph.features if not graph.inputs[name].optional]
    if labelled:
        needed += [part.labels for part in graph.loss_parts if part.labels is not None]
    missing = [name for name in needed if name not in batch]
    if unknown or missing:
        parts = [
            f"{what} {', '.join(names)}"
            for what, names in (("does not have the input", unknown), ("also needs", missing))
            if names
        ]
        raise InputError(
            f"a batch gives {', '.join(batch)}; {graph.name} {' and '.join(parts)}; its inputs are "
            f"{', '.join(graph.inputs)}"
        )


def _check(name: str, value: Array, graph: Graph) -> None:
    declared = graph.inputs[name]
    # Labels of packed examples have one more dimension than those of rows with one example each.
    fits = value.ndim >= len(declared.shape) and all(
        isinstance(size, str) or size == met for size, met in zip(declared.shape, value.shape, strict=False)
    )
    kinds = "iub" if declared.dtype == INT else "iubf"
    if not fits or value.dtype.kind not in kinds:
        met = ", ".join(map(str, value.shape))
        raise InputError(f"a batch's {name} is {value.dtype} [{met}]; the model's input is {declared}")


def _row(ids: NDArray[np.int64], limit: int) -> int:
    """The first example with an id out of range, 0 if there is none."""
    wrong = np.argwhere((ids < 0) | (ids >= limit))
    return int(wrong[0][0]) if len(wrong) else 0
