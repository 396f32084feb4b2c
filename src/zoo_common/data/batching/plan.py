"""In which order the batches of several buckets come: a closed form of (seed, step)."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from fractions import Fraction

from zoo_common.data.order import order


class Plan:
    """Of each bucket's batches, every epoch has as many as are full by its end.

    Bucket ``b`` has ``counts[b]`` examples, ``rows[b]`` of which are a batch; those that an epoch leaves over begin
    the next one's first. So epoch ``e`` has ``floor((e + 1) n / r) - floor(e n / r)`` batches of a bucket, and before
    it there were ``floor(e n / r)``: any step is found without those before it.
    """

    def __init__(self, counts: Sequence[int], rows: Sequence[int]) -> None:
        self._counts, self._rows = tuple(counts), tuple(rows)
        self._rate = sum((Fraction(n, r) for n, r in zip(counts, rows, strict=True)), Fraction())

    def steps(self, epochs: int) -> int:
        """Steps in so many epochs, from the first."""
        return sum(self._batches(epochs))

    def at(self, seed: int, step: int) -> tuple[int, int]:
        """The bucket of a step's batch, and which of that bucket's own batches it is, from 0."""
        # A bucket is less than one batch behind: that bounds the epoch from both sides.
        first = int(step / self._rate)
        last = math.ceil((step + len(self._counts)) / self._rate) + 1
        epoch = bisect_right(range(last + 1), step, lo=first, key=self.steps) - 1
        before = self._batches(epoch)
        own = [after - done for after, done in zip(self._batches(epoch + 1), before, strict=True)]
        place = order(seed, "buckets", epoch, count=sum(own))[step - sum(before)]
        for bucket, count in enumerate(own):
            if place < count:
                return bucket, before[bucket] + place
            place -= count
        raise AssertionError("a place of an epoch is in one of its buckets")

    def _batches(self, epochs: int) -> list[int]:
        return [epochs * n // r for n, r in zip(self._counts, self._rows, strict=True)]
