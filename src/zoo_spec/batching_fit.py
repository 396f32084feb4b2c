"""Whether examples can be batched as a spec says: all that can be said of it before any of them is read."""

from __future__ import annotations

from zoo_spec.bound_fields import field_of
from zoo_spec.data import (
    Bucketed,
    Data,
    MixedSource,
    MixtureData,
    Packed,
    Padded,
    PictureData,
    PreparedData,
    SourceData,
)
from zoo_spec.errors import InputError
from zoo_spec.experiment import ExperimentSpec
from zoo_spec.graph import Graph
from zoo_spec.graph.packed_rows import why_unpacked


def check_batching(spec: ExperimentSpec, graph: Graph) -> None:
    """Raise InputError for buckets of what has one size, rows of what cannot be packed, and batching said twice."""
    data = spec.data
    inner = {f"sources.{number}.data": source.data for number, source in enumerate(_sources(data))}
    if isinstance(data, SourceData | MixtureData) and data.evaluation is not None:
        inner["evaluation"] = data.evaluation
    for where, part in inner.items():
        if not isinstance(part.batching, Padded):
            raise InputError(
                f"data.{where}.batching is {part.batching.kind}, and batches are put together of all that is trained "
                "on: say it once, as data.batching"
            )
    if isinstance(data.batching, Packed):
        _check_packing(data, graph)
    if isinstance(data.batching, Bucketed):
        for part in _parts(data):
            _check_buckets(data.batching, part, spec, graph)


def _check_packing(data: Data, graph: Graph) -> None:
    why = why_unpacked(graph)
    if why is None and data.drawn and data.gives is None:
        why = f"data of kind {data.kind!r} is {data.drawn}"
    if why is not None:
        remedy = "padded" if all(part.size is None for part in _parts(data)) else "bucketed, or to padded"
        raise InputError(
            f"data.batching is packed, and {graph.name} cannot learn from rows of several examples: {why}; set "
            f"data.batching to {remedy}"
        )


def where_padding_shows(graph: Graph) -> str:
    """The block whose statistics are of padding too, so that outputs depend on how far an example is filled up."""
    for place in graph.folded():
        x = place.inputs.get("x")
        open_sizes = [] if x is None else [size for size in x.shape[1:] if isinstance(size, str)]
        if place.block.counts_padding and open_sizes:
            return f"{place.path} ({place.block.kind})"
    return ""


def _check_buckets(batching: Bucketed, data: Data, spec: ExperimentSpec, graph: Graph) -> None:
    if data.size is None:
        if data.drawn or isinstance(data, _ONE_SIZE):
            raise InputError(
                f"data of kind {data.kind!r} has examples of one size, so that nothing is filled up and buckets have "
                "nothing to tell them by; set data.batching to padded"
            )
        return
    dimension, field = data.size
    bounds, length = batching.bounds or (), int(getattr(data, field))
    if len(bounds) > 1 and bounds[-2] >= length:
        raise InputError(
            f"data.batching.bounds: no example is longer than data.{field} {length}, so that the bucket of "
            f"{bounds[-1]} is empty; leave it out"
        )
    bound = graph.bounds.get(dimension)
    if not bounds or bound is None:
        return
    if bound.maximum is not None and bounds[-1] > bound.maximum:
        raise InputError(
            f"data.batching.bounds: {bounds[-1]} is above the {bound.maximum} that the model takes; lower it, or "
            f"raise {field_of(spec, dimension)}"
        )
    if bounds[0] < bound.minimum:
        raise InputError(
            f"data.batching.bounds: {bounds[0]} is below the {bound.minimum} that the model needs; leave it out"
        )


def _parts(data: Data) -> list[Data]:
    """What examples are made of: a mixture's sources, or the data itself."""
    return [source.data for source in _sources(data)] or [data]


def _sources(data: Data) -> tuple[MixedSource, ...]:
    return data.sources if isinstance(data, MixtureData) else ()


_ONE_SIZE = (PictureData, PreparedData)
"""Data that gives records, all of which become examples of one size."""
