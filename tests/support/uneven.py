"""Examples of uneven lengths for whatever a graph takes, drawn at random: what batching is tried on."""

from __future__ import annotations

import numpy as np

from zoo_common.data.base import Dataset, Example, Padding
from zoo_common.data.generated import id_limits
from zoo_spec.graph import Graph

HALF = 2
"""Of the longest example, an average one is so much shorter, along every dimension."""


class UnevenExamples(Dataset):
    """The same in every epoch. ``sizes`` are the longest of each open dimension of the graph's inputs.

    Examples have what a graph takes of one example: no positions, and one answer for what is asked of it as a whole.
    Where ``weighted`` is False, labels that an example has once have no weights.
    """

    def __init__(self, graph: Graph, sizes: dict[str, int], samples: int, *, weighted: bool = True) -> None:
        self._graph, self._sizes, self._samples, self._weighted = graph, sizes, samples, weighted
        told = graph.row_inputs
        self._names = [name for name in graph.inputs if name not in (*told.positions, *told.starts)]
        self._limits = id_limits(graph, sizes)
        rng = np.random.default_rng(5)
        self._lengths = {
            name: np.clip(rng.geometric(HALF / size, samples), min(4, size), size).astype(np.int32)
            for name, size in sizes.items()
        }

    def __len__(self) -> int:
        return self._samples

    def lengths(self) -> dict[str, np.ndarray]:
        """Along every dimension."""
        return self._lengths

    def padding(self) -> Padding:
        """To ``sizes``."""
        dimensions = {
            name: str(spec.shape[1])
            for name, spec in self._graph.inputs.items()
            if name in self._names and spec.shape[1:2] and isinstance(spec.shape[1], str)
        }
        return Padding(dimensions, self._sizes, {"input_ids": 1})

    def example(self, epoch: int, index: int) -> Example:
        """Drawn by its index."""
        rng = np.random.default_rng([7, index])
        told, weights = self._graph.row_inputs, {part.weights for part in self._graph.loss_parts}
        sizes = {name: int(lengths[index]) for name, lengths in self._lengths.items()}
        found: Example = {}
        for name in self._names:
            spec = self._graph.inputs[name]
            shape = tuple(int(sizes.get(size, size)) for size in spec.shape[1:])
            if name in told.examples:
                found[name] = np.ones(shape, np.int32)
            elif name in weights:
                if self._weighted or any(isinstance(size, str) for size in spec.shape[1:]):
                    found[name] = (rng.integers(1, 4, shape) / 2).astype(np.float32)
            elif spec.dtype == "int32":
                most = sizes[told.places[name]] if name in told.places else self._limits.get(name, 2)
                found[name] = rng.integers(0, most, shape).astype(np.int32)
            else:
                found[name] = rng.standard_normal(shape).astype(np.float32)
        return found
