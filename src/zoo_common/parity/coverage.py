"""Batches that go where full rows of one length do not: inputs left out, every dimension at both of its ends and
beyond what blocks say of themselves, labels without weight. Every pair of these occurs in one of them."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from itertools import combinations
from typing import TypeVar

from zoo_common.backend import Array, Batch
from zoo_common.parity.probes import BATCH, IDS, POSITIONS, Draw, draw_batch, probe_sizes
from zoo_common.parity.tight_labels import tight_labels
from zoo_spec.blocks.ctc_loss import CtcLoss
from zoo_spec.graph import Graph
from zoo_spec.tensors import Windows

ODD = 7
FAR = 259
"""Beyond the 256 tokens up to which torch attends by plain products; prime, as no window's or head's size is."""
FEW = 300
"""A dimension that is no larger is tried at its very end."""
LONG = 64
"""Rows that are longer come one in a batch."""

Value = TypeVar("Value", bound=Hashable)


def further_inputs(graph: Graph, seed: int) -> dict[str, Batch]:
    """Batches by what is particular about each."""
    solo = _decisive(graph)
    found: dict[str, Batch] = {}
    for name in solo:
        found[f"without {name}"] = _drawn(graph, seed, f"without {name}", {name: None})
    if len(graph.labels) > 1:
        found["features alone"] = _drawn(graph, seed, "features alone", dict.fromkeys(graph.labels))
    weights = [part.weights for part in graph.loss_parts if part.weights in graph.inputs]
    if weights:
        found["nothing to learn"] = _drawn(
            graph, seed, "nothing to learn", dict.fromkeys(map(str, weights), "nothing")
        )
    usual = {f"size of {name}": size for name, size in probe_sizes(graph).items()}
    for chosen in every_pair(_factors(graph, solo)):
        name = _described(
            {each: value for each, value in chosen.items() if value != usual.get(each, "given")}
        )
        found[name] = _drawn(graph, seed, name, chosen)
    return found | tight_labels(graph, seed)


def given_outputs(graph: Graph, inputs: Sequence[str]) -> set[str]:
    """The outputs that these inputs lead to."""
    there = set(inputs)
    for node in graph.nodes.values():
        if all(node.inputs[port].source in there for port in node.required):
            there.add(node.name)
    return {name for name, ref in graph.output_refs.items() if ref.source in there}


def every_pair(factors: Mapping[str, Sequence[Value]]) -> list[dict[str, Value]]:
    """Rows with a value of each factor, so that any two values of different factors stand together in one."""
    names = list(factors)
    left = {
        frozenset(((one, a), (other, b)))
        for one, other in combinations(names, 2)
        for a in factors[one]
        for b in factors[other]
    }
    if len(names) == 1:
        return [{names[0]: value} for value in factors[names[0]]]
    rows: list[dict[str, Value]] = []
    while left:
        row = dict(min(left, key=lambda pair: sorted(map(str, pair))))
        for name in names:
            if name not in row:
                row[name] = max(
                    factors[name],
                    key=lambda value: sum(frozenset(((name, value), other)) in left for other in row.items()),
                )
        left -= {frozenset(pair) for pair in combinations(row.items(), 2)}
        rows.append({name: row[name] for name in names})
    return rows


def _decisive(graph: Graph) -> list[str]:
    """The optional inputs without which an output is missing, each left out by itself: pairs would show little."""
    everything = given_outputs(graph, list(graph.inputs))
    return [
        name
        for name, spec in graph.inputs.items()
        if spec.optional
        and given_outputs(graph, [other for other in graph.inputs if other != name]) != everything
    ]


def _factors(graph: Graph, solo: Sequence[str]) -> dict[str, Sequence[Hashable]]:
    """The values of each open dimension, and for each input what may be told by it: None to leave it out."""
    factors: dict[str, Sequence[Hashable]] = {
        f"size of {name}": sizes for name, sizes in _sizes(graph).items() if len(sizes) > 1
    }
    packs = all(place.block.keeps_examples_apart for place in graph.places())
    for name, spec in graph.inputs.items():
        may_miss = (None,) if spec.optional and name not in solo else ()
        if name in IDS:
            factors[name] = (*may_miss, "padded", *(("packed",) if packs and name != "sample_ids" else ()))
        elif name in POSITIONS:
            factors[name] = (*may_miss, "packed") if packs else (None,)
        elif may_miss:
            factors[name] = (*may_miss, "given")
    return factors


def _sizes(graph: Graph) -> dict[str, tuple[int, ...]]:
    """Of each open dimension: as small as can be, odd, and far; of a batch, one row and several."""
    usual, beyond = probe_sizes(graph), _thresholds(graph)
    found: dict[str, tuple[int, ...]] = {}
    for name, bound in graph.bounds.items():
        wanted = {bound.minimum, bound.minimum - 1 + ODD}
        if name == "batch":
            wanted = {1, BATCH}
        elif bound.maximum is not None and bound.maximum <= FEW:
            wanted.add(bound.maximum)
        elif bound.maximum is not None or name in beyond:
            wanted.add(max(FAR, usual[name], beyond.get(name, 0) + 2))
        most = bound.maximum or max(wanted)
        found[name] = tuple(sorted({min(max(size, bound.minimum), most) for size in wanted}))
    return found


def _thresholds(graph: Graph) -> dict[str, int]:
    """By open dimension of the graph's inputs, the largest threshold of any block."""
    found: dict[str, int] = {}
    for place in graph.places():
        for dimension, size in place.block.thresholds(place.inputs).items():
            if isinstance(dimension, Windows):
                name, size = dimension.source, dimension.size + size * dimension.stride
            elif isinstance(dimension, str):
                name = str(dimension)
            else:
                continue
            found[name] = max(size, found.get(name, 0))
    return found


def _drawn(graph: Graph, seed: int, name: str, chosen: Mapping[str, Hashable]) -> Batch:
    sizes = probe_sizes(graph)
    for dimension in sizes:
        size = chosen.get(f"size of {dimension}", sizes[dimension])
        assert isinstance(size, int)
        sizes[dimension] = size
    if any(size > LONG for dimension, size in sizes.items() if dimension not in ("batch", "samples")):
        sizes["batch"] = 1
    rows = {each: _row_kind(chosen.get(each)) for each in graph.inputs if each in IDS or each in POSITIONS}
    left_out = frozenset(each for each in graph.inputs if each in chosen and chosen[each] is None)
    unweighted = frozenset(each for each, value in chosen.items() if value == "nothing")
    batch = dict(draw_batch(graph, seed, Draw(name, sizes, rows, left_out, unweighted)))
    _fit_labels(graph, sizes, batch)
    return batch


def _row_kind(value: Hashable) -> str | None:
    return value if isinstance(value, str) else None


def _fit_labels(graph: Graph, sizes: Mapping[str, int], batch: dict[str, Array]) -> None:
    """Leave no more labels to a CTC loss than fit into the frames of the shortest row, where it would be infinite."""
    for part in graph.loss_parts:
        node = graph.nodes[part.node]
        if not isinstance(node.block, CtcLoss) or part.labels not in batch:
            continue
        frames = node.specs["logits"].shape[1]
        if isinstance(frames, Windows):
            samples = sizes[frames.source]
            frames = frames.fitting(max(graph.bounds[frames.source].minimum, samples - 1 - samples // 3))
        elif isinstance(frames, str):
            frames = max(1, sizes[frames] - 1 - sizes[frames] // 3)
        if isinstance(frames, int):
            batch[part.labels] = batch[part.labels].copy()
            batch[part.labels][:, (frames + 1) // 2 :] = 0


def _described(chosen: Mapping[str, Hashable]) -> str:
    """What is particular about a batch."""
    sizes = [
        f"{name.removeprefix('size of ')} {size}" for name, size in chosen.items() if isinstance(size, int)
    ]
    told = [f"{value} {name}" for name, value in chosen.items() if value in ("padded", "packed")]
    without = [name for name, value in chosen.items() if value is None]
    return (
        ", ".join([*sizes, *told, *([f"without {' and '.join(without)}"] if without else [])])
        or "usual sizes"
    )
