"""Images with shapes on noise, and the class of each pixel: for segmentation, where nothing real is at hand."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zoo_common.data.base import DataDescription, Dataset, Example, Split, example_bytes
from zoo_common.data.generated import id_limits
from zoo_common.data.reader import Wanted, open_data
from zoo_spec.data import GeneratedShapes
from zoo_spec.data_fit import image_size
from zoo_spec.errors import InputError
from zoo_spec.graph import Graph
from zoo_spec.random import Stream

_KINDS = 3
"""Discs, squares and crosses, the classes 1, 2 and 3."""


class ShapeExamples(Dataset):
    """``image [height, width, channels]``, ``labels`` and ``label_weights [height, width]`` by (seed, epoch, index).

    ``classes`` bounds the labels, the background's 0 included.
    """

    def __init__(
        self,
        data: GeneratedShapes,
        shape: tuple[int, int, int],
        *,
        classes: int,
        inputs: frozenset[str],
        seed: int,
        split: Split,
    ) -> None:
        self._data, self._shape, self._inputs = data, shape, inputs
        self._kinds, self._seed, self._split = min(_KINDS, classes - 1), seed, split

    def __len__(self) -> int:
        return self._data.samples

    def description(self) -> DataDescription:
        """What is drawn."""
        return DataDescription(GeneratedShapes.drawn, len(self), 0, example_bytes(self))

    def example(self, epoch: int, index: int) -> Example:
        """One image; every epoch has its own."""
        stream = Stream(self._seed, "shapes", self._split, epoch, index)
        height, width, channels = self._shape
        labels = np.zeros((height, width), np.int32)
        image = np.zeros(self._shape)
        for _ in range(1 + stream.integer(self._data.most_shapes)):
            kind = 1 + stream.integer(self._kinds)
            inside = _inside(kind, height, width, stream.uniforms(3))
            labels[inside] = kind
            image[inside] = 0.5 + 0.5 * stream.uniforms(channels)
        image += self._data.noise * (2 * stream.uniforms(image.size).reshape(image.shape) - 1)
        example: Example = {
            "image": image.astype(np.float32),
            "labels": labels,
            "label_weights": np.ones((height, width), np.float32),
        }
        return {name: value for name, value in example.items() if name in self._inputs}


def _inside(kind: int, height: int, width: int, drawn: NDArray[np.float64]) -> NDArray[np.bool_]:
    """The pixels of a shape whose middle and size, up to a third of the image, are drawn from [0, 1)."""
    radius = max(1.0, min(height, width) * (1 + drawn[2]) / 6)
    down = np.abs(np.arange(height)[:, None] - drawn[0] * (height - 1))
    across = np.abs(np.arange(width)[None, :] - drawn[1] * (width - 1))
    if kind == 1:
        disc: NDArray[np.bool_] = down**2 + across**2 <= radius**2
        return disc
    square: NDArray[np.bool_] = (down <= radius) & (across <= radius)
    return square if kind == 2 else square & ((down <= radius / 3) | (across <= radius / 3))


def open_shapes(
    data: GeneratedShapes, graph: Graph, *, classes: int | None, seed: int, split: Split
) -> ShapeExamples:
    """Examples for the graph's image and labels; InputError unless its sizes are known, and labels its pixels'."""
    height, width, channels = image_size(data, graph)
    labels = graph.inputs.get("labels")
    if labels is not None and labels.shape[1:] != (height, width):
        raise InputError(
            f"data of kind 'generated_shapes' labels pixels [batch, {height}, {width}], and the model's labels are "
            f"{labels}; set task.kind to segmentation, or data.kind to what the model reads"
        )
    return ShapeExamples(
        data,
        (height, width, channels),
        classes=classes or _KINDS + 1,
        inputs=frozenset(graph.inputs),
        seed=seed,
        split=split,
    )


@open_data.register
def _shapes(data: GeneratedShapes, wanted: Wanted) -> ShapeExamples:
    classes = id_limits(wanted.graph, {}).get("labels")
    return open_shapes(data, wanted.graph, classes=classes, seed=wanted.seed, split=wanted.split)
