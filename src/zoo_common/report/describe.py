"""From a spec to its description, with no framework and nothing allocated."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from zoo_common.data.generated import id_limits
from zoo_common.measured import kept
from zoo_common.memory import step_rows, step_sizes, training_bytes
from zoo_common.report.blocks import block_tree, count_kernels, count_layers
from zoo_common.report.datasets import describe_data
from zoo_common.report.description import (
    Description,
    Dimension,
    TensorDescription,
    TrainingDescription,
)
from zoo_common.report.libraries import libraries, needed_libraries
from zoo_common.report.loss import describe_loss
from zoo_common.report.placement import Placement, placed, this_machine
from zoo_spec.cost import BYTES
from zoo_spec.experiment import ExperimentSpec
from zoo_spec.frameworks import frameworks
from zoo_spec.graph import Graph
from zoo_spec.tensors import TensorSpec
from zoo_spec.trained import frozen_names, trained


def describe(
    spec: ExperimentSpec,
    *,
    summary: str = "",
    sizes: Mapping[str, int] | None = None,
    with_data: bool = True,
    framework: str | None = None,
    folder: Path | None = None,
) -> Description:
    """Everything about a spec; ``sizes`` of open dimensions replace those that its data and training give.

    The data is opened unless ``with_data`` is false. What is wrong with it is part of the description; a size
    out of its bounds raises SpecError. Memory is that of one ``framework``, or of each. Where weights are streamed,
    the disk of ``folder``, in which their files would lie, is measured, unless it is left out.
    """
    graph, training = spec.graph(), spec.training
    given = dict(sizes or {})
    graph.bind(**given)
    chosen = step_sizes(spec, graph, **given)
    cost = graph.cost(
        precision=training.precision,
        moments=len(training.optimizer.moments),
        recompute=training.recompute,
        frozen=frozen_names(graph, training),
        whole_logits=False,
        **chosen,
    )
    values = graph.value_count
    layers, weighted = count_layers(graph)
    products, convolutions = count_kernels(graph, cost)
    data, imported = describe_data(spec) if with_data else ((), ())
    step = cost.training_flops * step_rows(spec) // chosen["batch"]
    return Description(
        name=spec.name,
        summary=summary,
        family=spec.model.kind,
        task=spec.task.kind,
        data_kind=spec.data.kind,
        drawn=spec.data.drawn,
        parameters=graph.parameter_count,
        statistics=values - graph.parameter_count,
        transformer_layers=layers,
        weighted_blocks=weighted,
        matrix_products=products,
        convolutions=convolutions,
        inputs=_inputs(graph, training.precision),
        outputs=tuple(_tensor(name, tensor, training.precision) for name, tensor in graph.outputs.items()),
        dimensions=tuple(
            Dimension(name, chosen[name], bound.minimum, bound.maximum)
            for name, bound in graph.bounds.items()
        ),
        blocks=block_tree(graph, cost),
        loss=describe_loss(graph, training),
        flops={
            "forward": cost.flops,
            "training": cost.training_flops,
            "training_step": step,
            "training_run": step * training.steps,
        },
        size_bytes={precision: values * BYTES[precision] for precision in ("float32", "float64", "bfloat16")},
        training_bytes={
            name: training_bytes(spec, graph, name, **given)
            for name in ([framework] if framework else frameworks())
        },
        training=_training(spec, graph, framework),
        data=data,
        needed_libraries=needed_libraries(),
        preprocessing_libraries=libraries(imported),
        placement=_placement(spec, graph, framework, folder, given),
        choices={} if framework is None else kept(framework),
    )


def _placement(
    spec: ExperimentSpec, graph: Graph, framework: str | None, folder: Path | None, given: Mapping[str, int]
) -> Placement | None:
    if folder is None or not spec.training.streams:
        return None
    return placed(spec, graph, this_machine(folder, spec.training.precision), framework, **given)


def _inputs(graph: Graph, precision: str) -> tuple[TensorDescription, ...]:
    limits = id_limits(graph, {})
    return tuple(
        _tensor(name, spec, precision, label=name in graph.labels, ids=limits.get(name))
        for name, spec in graph.inputs.items()
    )


def _tensor(
    name: str, spec: TensorSpec, precision: str, *, label: bool = False, ids: int | None = None
) -> TensorDescription:
    # "float" is the compute dtype, and "float32" that or wider.
    wide = {"float": precision, "float32": "float64" if precision == "float64" else "float32"}
    dtype = wide.get(spec.dtype, spec.dtype)
    return TensorDescription(
        name, spec.shape, spec.named_axes, dtype, spec.optional, label, spec.description, ids
    )


def _training(spec: ExperimentSpec, graph: Graph, only: str | None) -> TrainingDescription:
    training, rows = spec.training, step_rows(spec)
    said = {"on": "each shape of a batch, before its first step", "off": "nothing"}
    return TrainingDescription(
        steps=training.steps,
        batch_size=rows,
        micro_batch_size=min(training.micro_batch_size or rows, rows),
        precision=training.precision,
        optimizer=training.optimizer.kind,
        schedule=training.schedule.kind,
        compile=training.compile,
        compiled=tuple(
            (each.title or name, said.get(training.compile, each.compiles))
            for name, each in frameworks().items()
            if each.compiles and only in (None, name)
        ),
        rates=tuple(trained(graph, training).in_words()) if training.names_weights else (),
    )
