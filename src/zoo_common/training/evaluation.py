"""The loss and the metrics over a whole evaluation set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Literal

import numpy as np

from zoo_common.backend import Batch, InferenceModel
from zoo_common.data import Dataset, evaluation_batches
from zoo_common.data.batching import by_length
from zoo_common.log import LOG
from zoo_common.metrics import Counter, TextCounter, open_metric, open_text_metric
from zoo_common.metrics.base import Adds, Float64, ratio
from zoo_common.metrics.classes import ByClass, ByName, ClassScores
from zoo_common.metrics.texts import AsksModel
from zoo_common.replicas import ALONE, Replicas, told
from zoo_common.training.numbers import checked, warn_unless_finite
from zoo_common.training.spread import Turn, add_up, brought, in_turn, numbers_of
from zoo_spec.batching_fit import where_padding_shows
from zoo_spec.errors import InputError
from zoo_spec.experiment import ExperimentSpec
from zoo_spec.graph import Graph
from zoo_spec.tasks.metrics import Metric, TextMetric


class Evaluation(dict[str, float]):
    """The numbers by name; ``classes`` are the scores of each class by id, where the task has classes.

    ``by_name`` are the scores of what has names of its own, such as the types of entities that labels are parts of.
    """

    classes: tuple[ClassScores, ...] = ()
    by_name: Mapping[str, ClassScores] = MappingProxyType({})


Passes = Literal["one", "all"]
"""Of the model over an evaluation: what takes more than one for a batch, as texts that it writes do, is left out."""


def evaluate(
    model: InferenceModel,
    spec: ExperimentSpec,
    graph: Graph,
    dataset: Dataset,
    examples: int,
    passes: Passes = "all",
    replicas: Replicas = ALONE,
) -> Evaluation:
    """``loss``, each part's where there are several, and the task's metrics, ``examples`` at once.

    Numerators and denominators are added over all batches and divided once, so the batch size does not show. Unless
    ``data.batching`` is ``padded``, batches are filled up to their own longest example, and examples of similar
    length go together where no metric reads the records. Replicas run each their own batches; what a metric needs all
    outputs for, replica 0 counts.
    Raises InputError if the graph has no loss.
    """
    weights = [part.weights for part in graph.loss_parts]
    weights += [metric.weights for metric in _metrics(spec, graph) if not isinstance(metric, TextMetric)]
    all_weighted = {name for name in weights if name is not None} if all(weights) else set()
    varies = spec.data.batching.varies and not where_padding_shows(graph)
    least = {name: bound.minimum for name, bound in graph.bounds.items()} if varies else None
    read = dataset
    if varies and not any(isinstance(metric, TextMetric) for metric in _metrics(spec, graph)):
        read = by_length(dataset)  # Texts are compared with the records in their order.
    turns = numbers_of(-(-len(read) // examples), replicas)
    given = evaluation_batches(
        read, examples, all_weighted, least=least, numbers=[number for number, _ in turns]
    )
    where = (
        "of the evaluation, batch"
        if replicas.size == 1
        else f"of the evaluation, of replica {replicas.rank}'s"
    )
    batches = zip(checked(given, graph, where), [counts for _, counts in turns], strict=True)
    made = dataset if spec.data.is_of_records else None
    return _evaluated(model, spec, graph, batches, made, passes, replicas)


def evaluate_batches(
    model: InferenceModel,
    spec: ExperimentSpec,
    graph: Graph,
    batches: Iterable[Batch],
    made_of_records: Dataset | None = None,
    passes: Passes = "all",
    replicas: Replicas = ALONE,
) -> Evaluation:
    """As ``evaluate``, over these batches. A part without any weight, and what is not finite, are warned of.

    All replicas are given all of them. ``made_of_records`` are the examples that the batches have in order, where
    these come from records; without it there are no metrics that ask records.
    """
    return _evaluated(model, spec, graph, in_turn(batches, replicas), made_of_records, passes, replicas)


def _evaluated(
    model: InferenceModel,
    spec: ExperimentSpec,
    graph: Graph,
    turns: Iterable[Turn],
    made_of_records: Dataset | None,
    passes: Passes,
    replicas: Replicas,
) -> Evaluation:
    parts = graph.loss_parts
    if not parts:
        raise InputError(f"{spec.name} has no loss to evaluate; its outputs are {', '.join(graph.outputs)}")
    totals: dict[str, Float64] = {part.name: np.zeros(2) for part in parts}
    applied = _metrics(spec, graph)
    metrics = [open_metric(metric) for metric in applied if not isinstance(metric, TextMetric)]
    texts = [
        open_text_metric(metric, made_of_records)
        for metric in applied
        if made_of_records is not None
        and isinstance(metric, TextMetric)
        and not (metric.asks_model and passes == "one")
    ]
    for text_metric in texts:
        if isinstance(text_metric, AsksModel):
            text_metric.ask(model.predict_step)
    apart = [metric for metric in metrics if isinstance(metric, Adds)]
    together: list[Counter | TextCounter] = [
        *(metric for metric in metrics if not isinstance(metric, Adds)),
        *texts,
    ]
    wanted = {name for counter in together for name in counter.metric.outputs}
    for batch, counts in turns:
        outputs = model.evaluate_step(batch)
        if counts:
            for name, total in totals.items():
                total += [float(outputs[f"{name}_{what}"]) for what in ("numerator", "denominator")]
            for metric in apart:
                metric.add(batch, outputs)
        if together:
            for all_given, all_found in brought(replicas, (batch, counts), outputs, wanted):
                for counter in together:
                    counter.add(all_given, all_found)
    add_up(replicas, totals, apart)
    ratios = {name: ratio(*total) for name, total in totals.items()}
    losses = {f"{name}_loss": value for name, value in ratios.items()} if len(ratios) > 1 else {}
    loss = sum(part.factor * ratios[part.name] for part in parts)
    found = {"loss": loss, **losses, **{metric.metric.name: metric.value for metric in metrics}}
    for text_metric in texts:
        found |= text_metric.values
    if together:
        first = told(replicas, {**found})
        assert isinstance(first, dict)
        found = {name: float(str(value)) for name, value in first.items()}
    weightless = [name for name, (_, denominator) in totals.items() if denominator == 0]
    if weightless:
        LOG.warning(
            f"{spec.name}: the evaluation has no label of {' and '.join(weightless)} with a weight above 0, so that "
            "its loss of 0 says nothing"
        )
    warn_unless_finite(spec.name, found)
    evaluation = Evaluation(found)
    evaluation.classes = next((metric.classes for metric in metrics if isinstance(metric, ByClass)), ())
    evaluation.by_name = next((each.by_name for each in texts if isinstance(each, ByName)), {})
    return evaluation


def _metrics(spec: ExperimentSpec, graph: Graph) -> list[Metric]:
    """The task's, as far as a graph, which need not be the task's own, has what they read."""
    return [
        metric
        for metric in spec.task.metrics()
        if set(metric.outputs) <= set(graph.outputs) and set(metric.inputs) <= set(graph.inputs)
    ]
