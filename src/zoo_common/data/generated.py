"""Inputs drawn at random in the shapes and ranges of a graph: to try a model without any data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from zoo_common.data.base import Array, DataDescription, Dataset, EpochIndex, Example, Split, example_bytes
from zoo_common.data.reader import Wanted, open_data
from zoo_spec.blocks.losses import Loss
from zoo_spec.data import GeneratedData
from zoo_spec.data_fit import drawn_sizes
from zoo_spec.graph import Graph
from zoo_spec.random import Stream
from zoo_spec.tensors import TensorSpec

_MASKS = ("example_ids", "decoder_example_ids", "sample_ids")
_DRAWN_TOGETHER = 1024
"""Random words of an example that are drawn with those of others; where there are more, it saves nothing."""


class GeneratedExamples(Dataset):
    """Examples by (seed, epoch, index) for ``inputs``, given without their batch dimension.

    Integers are drawn below the input's limit in ``limits`` (2 where it has none), ``weights`` are 1, other
    values are in [-1, 1). Of a sequence or a waveform up to half is padding, told by ``example_ids`` or
    ``sample_ids``.
    """

    def __init__(
        self,
        inputs: Mapping[str, TensorSpec],
        *,
        limits: Mapping[str, int],
        weights: frozenset[str],
        samples: int,
        seed: int,
        split: Split,
    ) -> None:
        self._inputs, self._limits, self._weights = dict(inputs), limits, weights
        self._samples, self._seed, self._split = samples, seed, split

    def __len__(self) -> int:
        return self._samples

    def description(self) -> DataDescription:
        """What is drawn."""
        return DataDescription(GeneratedData.drawn, len(self), 0, example_bytes(self))

    def example(self, epoch: int, index: int) -> Example:
        """One example, drawn input by input in the order of their names."""
        return self.examples([(epoch, index)])[0]

    def examples(self, wanted: Sequence[EpochIndex]) -> list[Example]:
        """Several, whose random numbers cost little more than those of one."""
        drawn: list[Example] = [{} for _ in wanted]
        for name, spec in sorted(self._inputs.items()):
            if name in self._weights:
                for example in drawn:
                    example[name] = np.ones(_shape(spec), np.float32)
                continue
            paths = [("generated", self._split, epoch, index, name) for epoch, index in wanted]
            streams = Stream.several(self._seed, paths, min(2 * spec.elements, _DRAWN_TOGETHER))
            for example, stream in zip(drawn, streams, strict=True):
                example[name] = self._draw(name, spec, stream)
        return drawn

    def _draw(self, name: str, spec: TensorSpec, stream: Stream) -> Array:
        shape = _shape(spec)
        if name in _MASKS:
            return (np.arange(spec.elements) < spec.elements - stream.integer(spec.elements // 2 + 1)).astype(
                np.int32
            )
        if spec.dtype == "int32":
            return stream.integers(self._limits.get(name, 2), spec.elements).reshape(shape).astype(np.int32)
        return (2 * stream.uniforms(spec.elements) - 1).reshape(shape).astype(np.float32)


def _shape(spec: TensorSpec) -> tuple[int, ...]:
    return tuple(int(size) for size in spec.shape)


def open_generated(data: GeneratedData, graph: Graph, *, seed: int, split: Split) -> GeneratedExamples:
    """Examples for all inputs of a graph, with its open dimensions at the sizes that ``data`` names."""
    sizes = drawn_sizes(data, graph)
    # Of a packed row's examples each would need labels of its own, which are declared for one a row.
    inputs = {name: spec.bind(sizes) for name, spec in graph.inputs.items() if name != "pooled_positions"}
    return GeneratedExamples(
        {name: spec.with_shape(*spec.shape[1:]) for name, spec in inputs.items()},
        limits=id_limits(graph, sizes),
        weights=frozenset(part.weights for part in graph.loss_parts if part.weights is not None),
        samples=data.samples,
        seed=seed,
        split=split,
    )


def id_limits(graph: Graph, sizes: Mapping[str, int]) -> dict[str, int]:
    """How many ids each integer input may take: rows of the table, or classes or places of the loss that reads it."""
    limits = graph.table_rows()
    for part in graph.loss_parts:
        node = graph.nodes[part.node]
        assert isinstance(node.block, Loss)
        classes = node.block.label_limit(node.specs)
        if part.labels is not None and classes is not None:
            limits[part.labels] = min(classes, limits.get(part.labels, classes))
    told = graph.row_inputs
    for name, dimension in (*told.positions.items(), *told.places.items()):
        size = dimension if isinstance(dimension, int) else sizes.get(dimension)
        if size is not None:
            limits[name] = min(size, limits.get(name, size))
    return limits


@open_data.register
def _generated(data: GeneratedData, wanted: Wanted) -> GeneratedExamples:
    return open_generated(data, wanted.graph, seed=wanted.seed, split=wanted.split)
