"""One row of several examples: their values side by side, their numbers, and where in the row each stands."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from zoo_common.data.base import Array, Example, Padding
from zoo_spec.errors import InputError
from zoo_spec.graph import Graph
from zoo_spec.graph.packed_rows import labels_of_examples


class RowLayout:
    """How a graph's inputs are filled with several examples a row; ``padding`` says how long a row is.

    What goes along a dimension of the row stands side by side. Numbers of examples count up, positions count within
    each example, places are moved to where the example stands. What an example has once, a row has ``[examples]`` of,
    up to ``most_examples``, with weights that are 0 where there is none. Labels without given weights weigh 1.
    """

    def __init__(self, graph: Graph, padding: Padding, most_examples: int) -> None:
        self._padding, self._most = padding, most_examples
        self._told = graph.row_inputs
        self._weights = {
            part.weights: part.labels
            for part in graph.loss_parts
            if part.weights is not None and part.labels is not None
        }
        self._once = {name for pair in labels_of_examples(graph).items() for name in pair if name is not None}

    def batch(self, rows: Sequence[Sequence[Example]]) -> Example:
        """``[batch, …]`` of every input that the examples give, or that follows from how they stand."""
        names = list(rows[0][0])
        lacks = [name for name in self._told.examples if name not in names]
        if lacks:
            raise InputError(
                f"data.batching is packed, and the examples give no {' and no '.join(lacks)}; they give "
                f"{', '.join(names)}"
            )
        weighed = [name for name, labels in self._weights.items() if labels in names and name not in names]
        made = (*self._told.positions, *self._told.starts)
        found = {
            name: self._empty(name, rows[0][0], len(rows))
            for name in dict.fromkeys((*names, *weighed, *made))
        }
        for number, row in enumerate(rows):
            self._fill({name: value[number] for name, value in found.items()}, row)
        return found

    def _empty(self, name: str, example: Example, rows: int) -> Array:
        like = name if name in example else self._weights.get(name, name)
        dtype = np.int32 if name in self._told.positions or name in self._told.starts else np.float32
        if name in self._told.starts:
            return np.zeros((rows, self._most), dtype)
        if name in self._told.positions:
            return np.zeros((rows, self._padding.sizes[str(self._told.positions[name])]), dtype)
        value, size = example[like], self._padding.size(like)
        shape = (self._most, *value.shape) if size is None else (size, *value.shape[1:])
        if size is None and name not in self._once:
            raise InputError(
                f"data.batching is packed, and the examples give {name} {list(value.shape)} once, which is no label "
                "of an example; set data.batching to bucketed, or to padded"
            )
        fill = self._padding.values.get(name, 0)
        return np.full((rows, *shape), fill, value.dtype if name in example else dtype)

    def _fill(self, row: Example, examples: Sequence[Example]) -> None:
        """Write the examples into the views of one row, one after the other."""
        starts = dict.fromkeys(self._padding.sizes, 0)
        for number, example in enumerate(examples):
            lengths: dict[str, int] = {}
            for name, value in example.items():
                moved = self._moved(name, value, number, starts)
                dimension = self._padding.dimensions.get(name)
                if dimension is None:
                    row[name][number] = moved
                    continue
                start = starts[dimension]
                row[name][start : start + len(moved)] = moved
                lengths[dimension] = max(lengths.get(dimension, 0), len(moved))
            self._follow(row, example, number, starts, lengths)
            for dimension, length in lengths.items():
                starts[dimension] += length

    def _moved(self, name: str, value: Array, number: int, starts: dict[str, int]) -> Array:
        if name in self._told.examples:
            return np.where(value > 0, number + 1, 0).astype(value.dtype)
        if name in self._told.places:
            return value + np.asarray(starts[str(self._told.places[name])], value.dtype)
        return value

    def _follow(
        self, row: Example, example: Example, number: int, starts: dict[str, int], lengths: dict[str, int]
    ) -> None:
        """What says where an example stands, and weights that it does not give."""
        for name, dimension in self._told.positions.items():
            start, length = starts[str(dimension)], lengths.get(str(dimension), 0)
            row[name][start : start + length] = np.arange(length)
        for name, dimension in self._told.starts.items():
            row[name][number] = starts[str(dimension)]
        for name, labels in self._weights.items():
            if name in example or labels not in example:
                continue
            along = self._padding.dimensions.get(labels)
            if along is None:
                row[name][number] = 1
            else:
                row[name][starts[along] : starts[along] + len(example[labels])] = 1
