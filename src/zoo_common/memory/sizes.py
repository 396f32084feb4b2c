"""The sizes of a training step, as a spec's data and training make it."""

from __future__ import annotations

from zoo_spec.data import Padded
from zoo_spec.experiment import ExperimentSpec
from zoo_spec.graph import Graph


def step_sizes(spec: ExperimentSpec, graph: Graph, **given: int) -> dict[str, int]:
    """The sizes of the open dimensions in one micro-batch, as the spec's data makes it.

    ``given`` wins; a dimension of which the data says nothing is 1. None is beyond its bounds. In buckets they are
    those of the largest.
    """
    length = _said(spec, "sequence_length")
    wanted = {
        "batch": min(spec.training.micro_batch_size or step_rows(spec), step_rows(spec)),
        "sequence": _within(spec, "sequence", length),
        "target_sequence": _said(spec, "target_length") or length,
        "predictions": _said(spec, "max_predictions"),
        "samples": _within(spec, "samples", _said(spec, "waveform_samples")),
    }
    other = None if "sequence" in graph.bounds else _said(spec, "open_size")
    sizes = {}
    for name, bound in graph.bounds.items():
        size = max(wanted.get(name) or other or 1, bound.minimum)
        sizes[name] = size if bound.maximum is None else min(size, bound.maximum)
    return {**sizes, **given}


def uncut(spec: ExperimentSpec) -> ExperimentSpec:
    """The spec whose examples are as long as its data says: batching cuts those that are trained on alone."""
    return spec.model_copy(update={"data": spec.data.model_copy(update={"batching": Padded()})})


def step_rows(spec: ExperimentSpec) -> int:
    """Rows of a step's batch, in buckets those of the largest."""
    size = spec.data.size
    longest = None if size is None else _within(spec, size[0], _said(spec, size[1]))
    batch_size = spec.training.batch_size
    return batch_size if longest is None else max(1, spec.data.batching.rows(longest, batch_size))


def _within(spec: ExperimentSpec, dimension: str, size: int | None) -> int | None:
    """The size of an example of the data, as far as its batching takes longer ones."""
    most = spec.data.batching.longest
    is_told = spec.data.size is not None and spec.data.size[0] == dimension
    return size if size is None or most is None or not is_told else min(size, most)


def _said(spec: ExperimentSpec, field: str) -> int | None:
    value = getattr(spec.data, field, None)
    return value if isinstance(value, int) else None
