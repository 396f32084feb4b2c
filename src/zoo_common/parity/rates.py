"""Dropout, counted: as many dropped as the rate says, wherever the spec gives one, and the rest scaled to make up."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from zoo_common.backend import Batch, Dropped, Masks, TrainingModel
from zoo_common.parity import tolerances
from zoo_common.parity.bench import Bench, taking
from zoo_common.parity.part import Part
from zoo_common.parity.probes import IDS, POSITIONS, Draw, draw_batch, probe_sizes
from zoo_common.paths import concerns, paths
from zoo_spec.blocks.dropout import Dropout
from zoo_spec.graph import Graph
from zoo_spec.tensors import TensorSpec

COUNTED = 20_000
"""Elements that each place should drop from, so that half of any usual rate is many deviations off."""
MOST = 4_000_000
"""Elements of all places together, and 256 rows, beyond which fewer are counted."""
ROWS = 256


def count_rates(bench: Bench, framework: str, backend: TrainingModel) -> Iterator[Part]:
    """Each place of the spec's, for each source of masks, and by each path that blocks may take.

    The value is by how many standard deviations a place is off.
    """
    rates = {
        place.path: place.block.rate for place in bench.graph.places() if isinstance(place.block, Dropout)
    }
    if not any(rates.values()):
        return
    batch = _batch(bench.graph, bench.seed)
    for masks in get_args(Masks):
        own: list[str | None] = [path for path in paths("blocks") if concerns(path, backend)]
        for path in (masks == "native" and own) or [None]:
            with taking(path):
                uses = list(backend.dropouts(batch, masks, (0, 0)))
            yield from _counts(
                rates, uses, framework, ", ".join([f"{masks} masks", *([path] if path else [])])
            )
    first = list(backend.dropouts(batch, "native", (0, 0)))
    for what, at in (("step", (1, 0)), ("micro-batch", (0, 1))):
        yield from _renewed(first, list(backend.dropouts(batch, "native", at)), framework, what)


def _counts(rates: Mapping[str, float], uses: Sequence[Dropped], framework: str, how: str) -> Iterator[Part]:
    found: dict[str, list[Dropped]] = {}
    for use in uses:
        found.setdefault(use.path, []).append(use)
    for path in sorted(set(rates) | set(found)):
        rate = rates.get(path, 0.0)
        if rate or path in found:
            deviations, said = _count(rate, found.get(path, []))
            where = f"{path} ({framework}, {how})"
            yield Part(path, deviations, tolerances.DEVIATIONS, where, said, framework)


def _count(rate: float, uses: Sequence[Dropped]) -> tuple[float, str]:
    """By how many standard deviations the number of dropped elements is off, and what was counted.

    Values that are zero already say nothing. Infinite where what stays is scaled wrongly.
    """
    total = dropped = 0
    scale, worst = 1.0 / (1.0 - rate), 0.0
    for use in uses:
        before, after = np.asarray(use.before, np.float64), np.asarray(use.after, np.float64)
        there = np.abs(before) > np.finfo(np.float64).tiny
        gone = there & (after == 0)
        total, dropped = total + int(there.sum()), dropped + int(gone.sum())
        kept = there & ~gone
        apart = np.abs(after[kept] / before[kept] / scale - 1.0)
        worst = max(worst, float(apart.max(initial=0.0)))
    said = f"drops {dropped} of {total} where the rate is {rate:g}"
    if not total:
        return math.inf, "drops from nothing: no training pass comes through it"
    if not worst <= tolerances.DROPOUT_SCALE:
        return math.inf, f"what stays is not multiplied by {scale:.6g}: it is off by {worst:.1e}; {said}"
    if not rate:
        return (math.inf if dropped else 0.0), said
    return abs(dropped - total * rate) / math.sqrt(total * rate * (1.0 - rate)), said


def _renewed(uses: Sequence[Dropped], others: Sequence[Dropped], framework: str, what: str) -> Iterator[Part]:
    """Other elements are dropped at another step, and in another micro-batch."""
    for one, other in zip(uses, others, strict=False):
        gone = _gone(one)
        if gone.any() and np.array_equal(gone, _gone(other)):
            where, said = (
                f"{one.path} ({framework}, native masks)",
                f"drops the same elements in another {what}",
            )
            yield Part(one.path, math.inf, tolerances.DEVIATIONS, where, said, framework)


def _gone(use: Dropped) -> NDArray[np.bool_]:
    """Which elements were dropped; one that was zero already, such as what attention may not see, is none."""
    there = np.abs(np.asarray(use.before, np.float64)) > np.finfo(np.float64).tiny
    gone: NDArray[np.bool_] = there & np.equal(use.after, 0)
    return gone


def _batch(graph: Graph, seed: int) -> Batch:
    """Whole rows, enough of them that the smallest place has something to count."""
    sizes = probe_sizes(graph)
    each = [
        _elements(place.inputs["x"])
        for place in graph.bind(**{**sizes, "batch": 1}).places()
        if isinstance(place.block, Dropout) and place.block.rate
    ]
    rows = min(ROWS, math.ceil(COUNTED / min(each)), max(1, MOST // sum(each)))
    told = {name: None for name in graph.inputs if name in IDS or name in POSITIONS}
    return draw_batch(graph, seed, Draw("rates", {**sizes, "batch": rows}, told))


def _elements(spec: TensorSpec) -> int:
    return max(1, math.prod(size for size in spec.shape if isinstance(size, int)))
