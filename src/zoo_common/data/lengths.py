"""How long examples are, by the dimensions along which batches fill them up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from zoo_common.data.base import Dataset
from zoo_spec.tensors import Windows

AT_ONCE = 1024
"""Examples that are made at once."""


def measured(dataset: Dataset) -> Iterator[dict[str, NDArray[np.int32]]]:
    """``Dataset.lengths``, in blocks, of examples that are the same in every epoch: each is made once.

    A dimension of frames has no length of its own: it follows from that of the samples.
    """
    dimensions = dataset.padding().dimensions
    own = {name: dimension for name, dimension in dimensions.items() if not isinstance(dimension, Windows)}
    for start in range(0, len(dataset), AT_ONCE):
        indices = range(start, min(start + AT_ONCE, len(dataset)))
        found: dict[str, NDArray[np.int32]] = {}
        for row, example in enumerate(dataset.examples([(0, index) for index in indices])):
            for name in own.keys() & example.keys():
                lengths = found.setdefault(own[name], np.zeros(len(indices), np.int32))
                lengths[row] = max(lengths[row], len(example[name]))
        yield found


def joined(parts: Sequence[Dataset], counts: Sequence[int] | None = None) -> dict[str, NDArray[np.int32]]:
    """``Dataset.lengths`` of several data sets, one after the other.

    Where ``counts`` are given, so many examples stand for each, and any of its own may be one of them.
    """
    lengths = [part.lengths() for part in parts]
    known = dict.fromkeys(dimension for each in lengths for dimension in each)
    found = {}
    for dimension in known:
        rows = []
        for number, (part, own) in enumerate(zip(parts, lengths, strict=True)):
            longest = part.padding().sizes.get(dimension, 0)
            values = own.get(dimension, np.full(len(part), longest, np.int32))
            rows.append(values if counts is None else np.full(counts[number], values.max(), np.int32))
        found[dimension] = np.concatenate(rows)
    return found
