"""A user's batches for a spec: inputs by name, checked against the graph before a framework sees them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from zoo_common.backend import Array, Batch
from zoo_common.data.base import check_range
from zoo_common.data.generated import id_limits
from zoo_common.training.arrays import read_array
from zoo_common.training.batch_sizes import check_alignments, check_sizes
from zoo_common.training.feed import Feed
from zoo_common.training.masks import with_examples
from zoo_common.training.numbers import check_numbers
from zoo_spec.errors import InputError
from zoo_spec.graph import Graph
from zoo_spec.graph.loss_parts import inputs_needed
from zoo_spec.graph.packing import EXAMPLES, mixes_examples
from zoo_spec.tensors import INT


def named_batches(feed: Feed, graph: Graph, *, labelled: bool = True) -> Iterator[Batch]:
    """Every batch as the graph's inputs by name, arrays with a batch dimension.

    A batch is a dictionary, or a pair of features and labels, each a dictionary or the one input that there
    is; an ``attention_mask`` is taken for ``example_ids``. ``labelled`` asks for every label that the loss needs.
    Raises InputError for an input that the graph lacks, one that is missing, and one of another shape, kind of
    number or range, NaN and infinity among them; it says which batch, from 1.
    """
    mixing = mixes_examples(graph.inputs, graph.places())
    limits: dict[int, dict[str, int]] = {}
    for number, element in enumerate(feed, start=1):
        try:
            given = {name: read_array(name, value) for name, value in _named(element, graph).items()}
            batch = with_examples(given, graph)
            _check_names(batch, graph, labelled)
            batch = {name: _fitting(name, value, graph) for name, value in batch.items()}
            check_sizes(batch, graph)
            length = _length(batch, graph)
            if length not in limits:
                limits[length] = id_limits(graph, {"sequence": length} if length else {})
            _check_ids(batch, graph, limits[length])
            _check_examples(batch, mixing)
            check_numbers(batch, graph)
            check_alignments(batch, graph)
        except InputError as error:
            raise InputError(f"{error} (batch {number})") from None
        yield batch


def _check_ids(batch: Batch, graph: Graph, limits: Mapping[str, int]) -> None:
    weights = {part.labels: part.weights or "" for part in graph.loss_parts}
    for name, value in batch.items():
        if name not in limits or value.dtype.kind not in "iu":
            continue
        remedy = "correct the data, or give the model more"
        weighing = weights.get(name, "")
        if weighing and graph.inputs[weighing].shape == graph.inputs[name].shape:
            remedy += f"; where there is no label, give 0 and the weight 0 in {weighing}"
        ids = np.asarray(value, np.int64)
        check_range(ids, limits[name], f"a batch's {name}", _row(ids, limits[name]), remedy)


def _check_examples(batch: Batch, mixing: str | None) -> None:
    """Numbers of examples are 0 and up; ``mixing`` is the block that takes one example a row, if there is one."""
    for name in (EXAMPLES, "decoder_example_ids", "sample_ids"):
        ids = batch.get(name)
        below = np.argwhere(np.asarray(0 if ids is None else ids, np.int64) < 0)
        if len(below):
            raise InputError(
                f"a batch's {name} of example {int(below[0][0])} has numbers below 0; give 0 for padding, and count "
                "examples from 1"
            )
    if mixing is not None and EXAMPLES in batch and batch[EXAMPLES].max(initial=0) > 1:
        raise InputError(
            f"a batch's {EXAMPLES} has several examples in row {int(batch[EXAMPLES].max(1).argmax())}, and "
            f"{mixing} cannot keep them apart; give each example a row of its own, 1 at tokens and 0 at padding"
        )


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


def _check_names(batch: Batch, graph: Graph, labelled: bool) -> None:
    unknown = [name for name in batch if name not in graph.inputs]
    needed = [name for name in graph.features if not graph.inputs[name].optional]
    if labelled:
        of_loss = inputs_needed(graph.inputs, graph.nodes, graph.loss_parts)
        needed += [name for name in graph.inputs if name in of_loss and name not in needed]
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


def _fitting(name: str, value: Array, graph: Graph) -> Array:
    """The value, of the kind that the graph declares; InputError for another shape or kind of number."""
    declared = graph.inputs[name]
    # Labels of packed examples have one more dimension than those of rows with one example each.
    more = value.ndim - len(declared.shape)
    fits = more >= 0 and all(
        isinstance(size, str) or size == met
        for size, met in zip(declared.shape[1:], value.shape[1 + more :], strict=True)
    )
    kinds = "iub" if declared.dtype == INT else "iubf"
    if not fits or value.dtype.kind not in kinds:
        met = ", ".join(map(str, value.shape))
        raise InputError(f"a batch's {name} is {value.dtype} [{met}]; the model's input is {declared}")
    if declared.dtype != INT:
        return value.astype(np.result_type(value, np.float16), copy=False)
    narrow = value.astype(np.int32, copy=False)
    if not np.array_equal(narrow, value):
        raise InputError(f"a batch's {name} has {int(value[narrow != value][0])}, which is beyond int32")
    return narrow


def _length(batch: Batch, graph: Graph) -> int:
    """Tokens of each row, below which positions are; 0 where the model reads no sequence."""
    for name, value in batch.items():
        if graph.inputs[name].shape[1:] == ("sequence",):
            return int(value.shape[1])
    return 0


def _row(ids: NDArray[np.int64], limit: int) -> int:
    """The first example with an id out of range, 0 if there is none."""
    wrong = np.argwhere((ids < 0) | (ids >= limit))
    return int(wrong[0][0]) if len(wrong) else 0
