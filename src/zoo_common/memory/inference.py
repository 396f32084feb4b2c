"""What a model that only computes holds in memory, and how many examples it can take at once."""

from __future__ import annotations

from zoo_common.memory import machine
from zoo_common.memory.sizes import step_sizes, uncut
from zoo_common.memory.streaming import SLOTS, inference_unit_values, least_limit
from zoo_common.memory.training import training_bytes
from zoo_common.units import bytes_text
from zoo_spec.cost import BYTES, held_bytes
from zoo_spec.errors import EnvironmentFault
from zoo_spec.experiment import ExperimentSpec
from zoo_spec.frameworks import overhead_of
from zoo_spec.graph import Graph, units


def inference_bytes(
    spec: ExperimentSpec, graph: Graph, framework: str | None = None, **given: int
) -> dict[str, int]:
    """Bytes that evaluating holds at its peak, by name; predicting and exporting hold no more.

    ``weights`` are in the dtype that they are kept in, where they are streamed those that stay, and ``slots`` are for
    the others; ``activations`` are the widest layer's, with what comes and goes there, and all outputs. ``reading``
    is what filling the model takes beyond that: one tensor, in both layouts on its way. ``library`` is the
    framework's own. ``given`` are sizes of open dimensions to use instead of the data's and the batch's.
    """
    precision = spec.training.precision
    overhead = overhead_of(framework)
    sizes = step_sizes(uncut(spec), graph, **given)
    cost = graph.cost(precision=precision, recompute=False, frozen=(), whole_logits=True, **sizes)
    outputs = sum(each.bind(sizes).elements for each in graph.outputs.values()) * held_bytes(precision)
    largest = max((parameter.size for _, parameter, _ in graph.folded_parameters), default=0)
    activations = round((1 + overhead.working) * cost.widest) + outputs
    activations += largest * BYTES[precision] if BYTES[precision] < held_bytes(precision) else 0
    weights, slots = cost.bytes["weights"], 0
    if spec.training.streams:
        limit = spec.training.memory_limit

        def enough(least: int) -> int:
            return least_limit(spec, lambda one: inference_bytes(one, graph, framework, batch=1), least)

        parts = units(graph, most=inference_unit_values(graph, precision, limit, framework, enough))
        weights = held_bytes(precision) * sum(each.size for each in parts.resident.values())
        slots = SLOTS * held_bytes(precision) * parts.largest.size
    return {
        "weights": weights,
        "slots": slots,
        "activations": activations,
        "reading": max(0, 2 * largest * held_bytes(precision) - activations),
        "library": overhead.library,
    }


def examples_at_once(
    spec: ExperimentSpec, graph: Graph, framework: str | None = None, *, available: int | None = None
) -> int:
    """How many examples of a training batch fit with the weights; all, if they can.

    Raises EnvironmentFault, with the arithmetic, where not one does. ``available`` is measured unless it is given.
    """
    room = free = machine.available_bytes() if available is None else available
    if spec.training.streams:
        room = min(room, spec.training.memory_limit or room)
    wanted = spec.training.micro_batch_size or spec.training.batch_size

    def needed(examples: int) -> int:
        return sum(inference_bytes(spec, graph, framework, batch=examples).values())

    if needed(wanted) <= room:
        return wanted
    most, too_many = 0, wanted
    while too_many - most > 1:
        middle = (most + too_many) // 2
        most, too_many = (middle, too_many) if needed(middle) <= room else (most, middle)
    if most:
        return most
    parts = inference_bytes(spec, graph, framework, batch=1)
    total = sum(parts.values())
    terms = "\n".join(f"  {name:<12}{bytes_text(size):>12}" for name, size in parts.items() if size)
    sizes = ", ".join(f"{name} {size}" for name, size in step_sizes(spec, graph, batch=1).items())
    training = sum(training_bytes(spec, graph, framework).values())
    has, more = "available", "free some memory"
    if room < free:
        least = least_limit(spec, lambda one: inference_bytes(one, graph, framework, batch=1), room)
        has, more = "training.memory_limit", f"raise it to {bytes_text(least)}"
    raise EnvironmentFault(
        f"{spec.name} does not fit into memory: computing with its weights needs {bytes_text(total)}, training it "
        f"{bytes_text(training)}, and {bytes_text(room)} are {has}\n{terms}\n"
        f"  {'sum':<12}{bytes_text(total):>12}  ({sizes})\n"
        f"{more}, or take a machine with more"
    )
