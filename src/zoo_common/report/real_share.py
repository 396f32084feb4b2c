"""What of a spec's batches is no padding, under its own batching and under the others, for ``zoo describe``."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from zoo_common.data import Dataset, Wanted
from zoo_common.data.batching.some import SomeExamples
from zoo_common.data.lengths import measured
from zoo_common.report.inspection.found import Lengths
from zoo_common.report.inspection.waste import filled_up, padded, under
from zoo_spec.data import Bucketed, Packed

_LOOKED_AT = 2000
"""Examples that are made to be measured at most, from everywhere in the data."""
_COUNTED = ("sequence", "target_sequence", "samples")
"""The dimensions along which tokens, or samples, are counted."""


class _Sample(SomeExamples):
    """Some from everywhere, as long as they are in the first epoch."""

    def lengths(self) -> Mapping[str, NDArray[np.int32]]:
        """As they are made."""
        return self._measured

    @cached_property
    def _measured(self) -> Mapping[str, NDArray[np.int32]]:
        blocks = list(measured(self))
        return {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}


def real_shares(dataset: Dataset, wanted: Wanted) -> dict[str, float]:
    """Real tokens (or samples) in those that are fed, by kind of batching; nothing for examples of one size.

    The spec's own is that of its training data as it was opened; the others are as they are by default, left out
    where the data or the model cannot have them.
    """
    sizes = {name: size for name, size in dataset.padding().sizes.items() if name in _COUNTED}
    if not sizes:
        return {}
    count = len(dataset)
    numbers = np.unique(np.linspace(0, count - 1, min(count, _LOOKED_AT)).astype(np.int32))
    sample = _Sample(dataset, numbers)
    lengths = [
        Lengths(name, sizes[name], values.astype(np.int64))
        for name, values in sample.lengths().items()
        if name in sizes
    ]
    wastes = [padded(lengths), *(under(each, sample, lengths, wanted) for each in (Bucketed(), Packed()))]
    found = {each.batching: 1 - each.padding for each in wastes if each.padding is not None}
    real = sum(float(each.real.mean()) for each in lengths) * count
    filled, _ = filled_up(dataset, [each.dimension for each in lengths])
    return {**found, wanted.spec.data.batching.kind: min(1.0, real / max(filled, 1))}


def in_words(shares: Mapping[str, float], own: str) -> str:
    """``35 % real tokens padded, as here; bucketed it would be 92 %``."""
    others = [f"{kind} {share:.1%}" for kind, share in shares.items() if kind != own]
    would = f"; it would be {', '.join(others)}" if others else ""
    return f"{shares[own]:.1%} of what is fed in training is real, the rest padding ({own}){would}"
