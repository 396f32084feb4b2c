"""What training holds in memory, by what its execution keeps there."""

from __future__ import annotations

from zoo_common.memory.sizes import step_rows, step_sizes
from zoo_common.memory.streaming import streamed
from zoo_spec.cost import held_bytes
from zoo_spec.experiment import ExperimentSpec
from zoo_spec.frameworks import overhead_of
from zoo_spec.graph import Graph
from zoo_spec.trained import frozen_names


def training_bytes(
    spec: ExperimentSpec, graph: Graph, framework: str | None = None, **given: int
) -> dict[str, int]:
    """Bytes that training holds at its peak, by name, at the micro-batch size and the data's sizes.

    ``copies`` are the weights as bfloat16 products take them; ``activations`` are kept for the backward pass,
    ``recomputed`` are those of one layer at a time, which is computed again or, being frozen, keeps none;
    ``accumulated`` is the running sum of the gradients, where micro-batches add up to a batch; ``slots`` are for the
    weights and moments that are streamed; ``working`` is what comes and goes; ``library`` is the framework's own;
    ``saving`` is what a checkpoint's copies need beyond what the step has let go of by then, no part of a step.
    A framework that is not known counts as the one that needs most. ``given`` are sizes of open dimensions to
    use instead.
    """
    if spec.training.streams:
        return streamed(spec, graph, framework, **given).memory
    return _resident(spec, graph, framework, **given)


def _resident(spec: ExperimentSpec, graph: Graph, framework: str | None, **given: int) -> dict[str, int]:
    training = spec.training
    overhead = overhead_of(framework)
    parts = graph.cost(
        precision=training.precision,
        moments=len(training.optimizer.moments),
        recompute=training.recompute,
        frozen=frozen_names(graph, training),
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
