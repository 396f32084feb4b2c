"""Blocks that stay in float32 in a model of bfloat16, judged value by value instead of by size.

A norm, an activation or a loss that computes in bfloat16 inside is off by a roundoff or two, which no comparison of
whole models tells from what rounding explains anyway. By itself it shows: a block that rounds once gives the bfloat16
next to the float64 result, whatever the value.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from zoo_common.backend import Array, Batch, Weights, find_backend
from zoo_common.measured import defaults
from zoo_common.parity import tolerances
from zoo_common.parity.bench import Bench
from zoo_common.parity.compare import largest
from zoo_common.parity.probes import BATCH, probe_sizes, probe_weights
from zoo_common.parity.results import LevelResult
from zoo_common.weights import as_source
from zoo_spec.blocks.base import Block, Inputs, ShapeError
from zoo_spec.blocks.losses import Loss
from zoo_spec.graph import Graph, GraphBuilder
from zoo_spec.graph.wiring import Ref
from zoo_spec.random import Stream
from zoo_spec.tensors import INT, Dimension, TensorSpec

_MOST = 9
"""Size of a dimension that a block only repeats itself along."""


def rounded_once(bench: Bench) -> Iterator[LevelResult]:
    """Every kind of block of the graph that rounds once, alone, at the inputs' precision of bfloat16.

    ``value`` is the largest distance from the float64 result over what one rounding leaves; 1 is the limit.
    """
    named = _blocks(bench.graph)
    if not named:
        return
    graph = _side_by_side({f"b{index}": found for index, found in enumerate(named.values())})
    paths = {f"b{index}": path for index, path in enumerate(named)}
    weights = {name: value.astype(np.float32) for name, value in probe_weights(graph, bench.seed).items()}
    batch = _batch(graph, bench.seed)
    worst, where, block, side = 0.0, "", "", ""
    for framework in bench.frameworks:
        wide = _outputs(bench, framework, graph, "float64", weights, batch)
        for name, value in _outputs(bench, framework, graph, "bfloat16", weights, batch).items():
            found = _beyond_one_rounding(value, wide[name], graph.outputs[name])
            if found > worst or not where:
                worst, block, side = found, paths[name.partition("_")[0]], framework
                where = f"{block} ({side})"
    detail = ""
    if worst > 1:
        detail = f"{where} computes in bfloat16 what is to stay in float32, or wider, and be rounded once"
    if not detail:
        block = side = ""
    yield LevelResult("forward", "bfloat16", worst <= 1, worst, 1.0, where, detail, block, side)


def _blocks(graph: Graph) -> dict[str, tuple[Block, Inputs]]:
    """One place for each different block that rounds once, by its path, with the shapes of its inputs."""
    found: dict[tuple[str, str], str] = {}
    blocks: dict[str, tuple[Block, Inputs]] = {}
    sizes = {name: size for name, size in probe_sizes(graph).items() if name != "batch"}
    for place in graph.places():
        if not place.block.rounds_once:
            continue
        inputs = {port: spec.bind(sizes) for port, spec in place.inputs.items()}
        key = place.block.model_dump_json(), str(sorted((port, str(spec)) for port, spec in inputs.items()))
        if found.setdefault(key, place.path) == place.path:
            blocks[place.path] = (place.block, _smaller(place.block, inputs))
    return blocks


def _smaller(block: Block, inputs: Inputs) -> Inputs:
    """The same inputs along fewer places, where the block takes these too."""
    widths = {spec.shape[-1] for spec in inputs.values() if spec.dtype != INT and spec.shape}

    def size(given: Dimension) -> Dimension:
        return given if isinstance(given, str) or given in widths else min(given, _MOST)

    small = {
        port: spec.with_shape(*(size(each) for each in spec.shape), axes=spec.axes)
        for port, spec in inputs.items()
    }
    try:
        block.infer(small)
    except ShapeError:
        return inputs
    return small


def _side_by_side(blocks: Mapping[str, tuple[Block, Inputs]]) -> Graph:
    """A graph in which each block has inputs of its own."""
    graph = GraphBuilder("rounded_once")
    for name, (block, inputs) in blocks.items():
        for port, spec in inputs.items():
            graph.input(f"{name}_{port}", TensorSpec(spec.shape, spec.dtype))
        graph.place(name, block, {port: Ref(f"{name}_{port}") for port in inputs})
        for output in graph.nodes[name].outputs:
            graph.output(f"{name}_{output}", Ref(name, output))
    return graph.finish()


def _batch(graph: Graph, seed: int) -> Batch:
    """Values that bfloat16 holds, away from zero by more than they spread, so that what is lost of a mean shows."""
    batch: dict[str, Array] = {}
    for node in graph.nodes.values():
        limit = node.block.label_limit(node.specs) if isinstance(node.block, Loss) else None
        for port, ref in node.inputs.items():
            spec, stream = node.specs[port], Stream(seed, ref.source)
            shape = tuple(int(size) for size in spec.bind({"batch": BATCH}).shape)
            count = int(np.prod(shape))
            values: Array
            if spec.dtype == INT:
                values = stream.integers(limit or 2, count).astype(np.int32)
            elif port == "weights":
                values = stream.integers(3, count) / 2.0
            else:
                values = to_bfloat16(2.5 + 4 * (stream.uniforms(count) - 0.5))
            batch[ref.source] = values.reshape(shape)
    return batch


def _outputs(
    bench: Bench, framework: str, graph: Graph, dtype: str, weights: Mapping[str, Array], batch: Batch
) -> Weights:
    with defaults():
        model = find_backend(framework)().for_inference(
            graph, as_source(weights), dtype=dtype, device=bench.device, tf32=bench.spec.training.tf32
        )
    return model.evaluate_step(batch)


def _beyond_one_rounding(found: Array, wide: Array, spec: TensorSpec) -> float:
    """The largest distance over what one rounding to the output's dtype leaves, and float32's on the way there."""
    if found.shape != wide.shape or not np.isfinite(found).all():
        return float("inf")
    exact = np.asarray(wide, np.float64)
    room = np.full_like(exact, tolerances.FLOAT32_INSIDE * max(largest(exact), 1e-30))
    if spec.dtype == "float":
        room += np.abs(to_bfloat16(exact) - exact) + 2.0**-16 * np.abs(exact)
    return float(np.max(np.abs(np.asarray(found, np.float64) - exact) / room, initial=0.0))


def to_bfloat16(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The nearest bfloat16 of each value, ties to even, of eight significant bits."""
    mantissa, exponent = np.frexp(values)
    rounded: NDArray[np.float64] = np.ldexp(np.rint(np.ldexp(mantissa, 8)), exponent - 8)
    return rounded
