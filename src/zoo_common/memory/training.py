"""What training holds in memory, by what its execution keeps there."""

from __future__ import annotations

from zoo_common.memory.sizes import step_rows, step_sizes
from zoo_common.memory.streaming import streamed
from zoo_common.replicas import meets
from zoo_spec.cost import held_bytes
from zoo_spec.experiment import ExperimentSpec
from zoo_spec.frameworks import overhead_of
from zoo_spec.graph import Graph
from zoo_spec.graph.units import outside_and_largest
from zoo_spec.trained import frozen_names


def training_bytes(
    spec: ExperimentSpec, graph: Graph, framework: str | None = None, *, replicas: int = 1, **given: int
) -> dict[str, int]:
    """Bytes that training holds at its peak, by name, at the micro-batch size and the data's sizes.

    ``copies`` are the weights as bfloat16 products take them; ``activations`` are kept for the backward pass,
    ``recomputed`` are those of one layer at a time, which is computed again or, being frozen, keeps none;
    ``accumulated`` is the running sum of the gradients, where micro-batches add up to a batch; ``slots`` are for the
    weights and moments that are streamed; ``working`` is what comes and goes; ``library`` is the framework's own;
    ``saving`` is what a checkpoint's copies need beyond what the step has let go of by then, no part of a step.
    ``gathered`` is what of a model that is divided over replicas is whole at a time. A framework that is not known
    counts as the one that needs most. ``given`` are sizes of open dimensions to use instead. Of several ``replicas``
    these are one's bytes, with its rows.
    """
    if spec.training.streams:
        return streamed(spec, graph, framework, **given).memory
    rows = {"batch": _rows_of_one(spec, graph, replicas)} if replicas > 1 and "batch" in graph.bounds else {}
    parts = _resident(spec, graph, framework, **{**rows, **given})
    return _divided(spec, graph, parts, replicas) if spec.training.sharding == "full" else parts


def _rows_of_one(spec: ExperimentSpec, graph: Graph, replicas: int) -> int:
    """How many rows a replica computes at once."""
    rows = step_rows(spec)
    micro = min(spec.training.micro_batch_size or rows, rows)
    return -(-micro // replicas) if meets(graph, spec.training) else min(micro, -(-rows // replicas))


def _divided(spec: ExperimentSpec, graph: Graph, parts: dict[str, int], replicas: int) -> dict[str, int]:
    """What a replica holds of a model that is divided over all of them.

    Whole are what lies outside of layers, with its gradient, for a pass; and of layers one that computes, the next,
    which is gathered meanwhile, and their gradients.
    """
    outside, largest = outside_and_largest(graph)
    whole = 2 * outside + 4 * largest
    return {
        **{
            name: -(-size // replicas)
            if name in ("weights", "gradients", "accumulated", "optimizer")
            else size
            for name, size in parts.items()
        },
        "gathered": whole * held_bytes(spec.training.precision),
        "saving": -(-(parts["weights"] + parts["optimizer"]) // replicas),
    }


def _resident(spec: ExperimentSpec, graph: Graph, framework: str | None, **given: int) -> dict[str, int]:
    training = spec.training
    overhead = overhead_of(framework)
    parts = graph.cost(
        precision=training.precision,
        moments=len(training.optimizer.moments),
        recompute=training.recompute,
        frozen=frozen_names(graph, training),
        whole_logits=not overhead.spares,
        **step_sizes(spec, graph, **given),
    ).bytes
    rows = step_rows(spec)
    accumulates = overhead.sums and (training.micro_batch_size or rows) < rows
    passing = parts["activations"] + parts["recomputed"]
    largest = max((parameter.size for _, parameter, _ in graph.folded_parameters), default=0)
    working = round(overhead.working * passing) + overhead.largest * largest * held_bytes(training.precision)
    let_go = 0 if overhead.keeps else parts["copies"] + parts["gradients"] + passing + working
    return {
        "weights": parts["weights"],
        "copies": parts["copies"],
        "gradients": parts["gradients"],
        "accumulated": parts["gradients"] if accumulates else 0,
        "optimizer": parts["optimizer"],
        "activations": parts["activations"],
        "recomputed": parts["recomputed"],
        "working": working,
        "library": overhead.library,
        "saving": max(0, parts["weights"] + parts["optimizer"] - let_go),
    }
