"""A graph's loss in words: its parts, their factors, and what is averaged over what."""

from __future__ import annotations

from zoo_common.report.description import LossDescription, LossPartDescription
from zoo_spec.graph import Graph, LossPart
from zoo_spec.training import Training


def describe_loss(graph: Graph, training: Training) -> LossDescription | None:
    """The loss, or None if the graph has none."""
    parts = tuple(_part(graph, part) for part in graph.loss_parts)
    if not parts:
        return None
    terms = [
        f"{part.name}_loss" if part.factor == 1 else f"{part.factor:g} × {part.name}_loss" for part in parts
    ]
    accumulated = ""
    if training.micro_batch_size is not None and training.micro_batch_size < training.batch_size:
        accumulated = (
            "Each mean is over the whole batch: the denominator is taken over all "
            f"{training.batch_size // training.micro_batch_size} micro-batches before the first one runs."
        )
    return LossDescription(" + ".join(terms), parts, accumulated)


def _part(graph: Graph, part: LossPart) -> LossPartDescription:
    node = graph.nodes[part.node]
    kind = node.block.kind
    inputs = {port: str(ref) for port, ref in node.inputs.items()}
    named = {str(ref): name for name, ref in graph.output_refs.items()}
    prediction = inputs.get("logits", next(iter(inputs.values())))
    prediction = named.get(prediction, prediction)
    labels, weights = inputs.get("labels", ""), inputs.get("weights", "")
    smoothing = getattr(node.block, "label_smoothing", 0.0)
    what = kind.replace("_", " ") + (f" (label smoothing {smoothing:g})" if smoothing else "")
    against = f"{what} of {prediction}" + (f" against {labels}" if labels else "")
    over = str(node.specs["labels"]) if "labels" in node.specs else "all values"
    if weights:
        mean = f"averaged over {over} by weight: sum({weights} × loss) / sum({weights}), 0 where none weighs anything"
    else:
        mean = f"averaged over {over}, all alike: sum(loss) / count"
    return LossPartDescription(part.name, kind, part.factor, labels, weights, f"{against}, {mean}")
