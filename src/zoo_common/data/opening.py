"""From an experiment's spec to its examples, which must fit what its graph takes."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from zoo_common.data.base import SPLITS, Dataset, Example, Split
from zoo_common.data.batching import batched
from zoo_common.data.preparation import from_prepared
from zoo_common.data.reader import Wanted, as_trained_on, open_data
from zoo_common.memory import step_sizes
from zoo_spec.data_fit import check_data
from zoo_spec.errors import InputError
from zoo_spec.experiment import ExperimentSpec
from zoo_spec.graph import Graph

_LARGEST = 2**26
"""Values of an example: 256 MB. A model of larger ones is for another machine."""


def open_dataset(
    spec: ExperimentSpec, run_dir: Path | None, split: Split, graph: Graph | None = None
) -> Dataset:
    """The examples of a spec's training or evaluation data, for the inputs that its graph has.

    With a ``run_dir``, the tokenizer is kept there; without one it is made anew each time. ``graph`` is the spec's
    own, where it has been built already. Errors are those of ``open_data``, and InputError for examples that are not
    what the graph takes.
    """
    graph = graph or spec.graph()
    check_data(spec, graph)
    with from_prepared(Wanted(spec, graph, split, run_dir)) as wanted:
        wanted = as_trained_on(wanted)
        found = open_data(wanted.spec.data, wanted)
        _check_fits(found.example(0, 0), graph, spec.data.kind)
        return batched(spec.data.batching, found, wanted) if split == "train" else found


def require_data(spec: ExperimentSpec, graph: Graph) -> None:
    """Raise InputError unless both parts of the data are there and fit; examples of absurd size are not made."""
    if not is_small(spec, graph):
        return
    with TemporaryDirectory(prefix="zoo-") as directory:  # It keeps the tokenizer for the second part.
        for split in SPLITS:
            open_dataset(spec, Path(directory), split, graph)


def is_small(spec: ExperimentSpec, graph: Graph) -> bool:
    """Whether an example can be made in a moment, at the sizes that the data gives it."""
    sizes = {**step_sizes(spec, graph), "batch": 1}
    return sum(tensor.bind(sizes).elements for tensor in graph.inputs.values()) <= _LARGEST


def _check_fits(given: Example, graph: Graph, kind: str) -> None:
    """Every required input and every label of the loss is given, in the shape that the graph declares."""
    labels = {part.labels for part in graph.loss_parts}
    missing = [
        name
        for name, tensor in graph.inputs.items()
        if name not in given and (name in labels or not tensor.optional)
    ]
    if missing:
        raise InputError(
            f"the model needs the input {', '.join(missing)}, and data of kind {kind!r} gives "
            f"{', '.join(given) or 'none of its inputs'}; set data.kind to what the model reads"
        )
    for name, value in given.items():
        declared = graph.inputs[name]
        fits = len(declared.shape) == value.ndim + 1 and all(
            isinstance(size, str) or size == met
            for size, met in zip(declared.shape[1:], value.shape, strict=True)
        )
        if not fits:
            met = ", ".join(map(str, ("batch", *value.shape)))
            raise InputError(
                f"data of kind {kind!r} gives {name} [{met}], the model's input is {declared}; "
                "set data.kind and the data's sizes to what the model reads"
            )
