"""From an experiment's spec to its examples: which are made follows from the inputs that the graph has."""

from __future__ import annotations

from pathlib import Path

from zoo_common.data.base import Dataset, Example, Split
from zoo_common.data.generated import id_limits, open_generated
from zoo_common.data.images import ImageExamples, open_images
from zoo_common.data.open_text import open_text
from zoo_spec.data import GeneratedData, ImageData, TextData
from zoo_spec.errors import InputError
from zoo_spec.experiment import ExperimentSpec
from zoo_spec.graph import Graph


def open_dataset(spec: ExperimentSpec, run_dir: Path | None, split: Split) -> Dataset:
    """The examples of a spec's training or evaluation data, for the inputs that its graph has.

    With a ``run_dir``, the tokenizer is kept there; without one it is made anew each time. Raises InputError
    for data that is missing, of another form, too small, or out of the model's ranges.
    """
    graph, data, seed = spec.graph(), spec.data, spec.training.seed
    inputs = frozenset(graph.inputs)
    found: Dataset
    if isinstance(data, TextData):
        lengths = graph.bounds.get("sequence")
        predictions = graph.bounds.get("predictions")
        found = open_text(
            data,
            inputs=inputs,
            limits=id_limits(graph, {}),
            longest=lengths.maximum if lengths is not None else None,
            most_predictions=predictions.maximum if predictions is not None else None,
            seed=seed,
            split=split,
            run_dir=run_dir,
        )
    elif isinstance(data, ImageData):
        found = _open_images(data, graph, inputs, split)
    elif isinstance(data, GeneratedData):
        return open_generated(data, graph, seed=seed, split=split)
    else:
        raise InputError(
            f"data of kind {getattr(data, 'kind', '')!r} cannot be read here: no reader is registered for it"
        )
    _check_fits(found.example(0, 0), graph, data.kind)
    return found


def _check_fits(given: Example, graph: Graph, kind: str) -> None:
    """Every required input is given, in the shape that the graph declares."""
    missing = [name for name, tensor in graph.inputs.items() if name not in given and not tensor.optional]
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


def _open_images(data: ImageData, graph: Graph, inputs: frozenset[str], split: Split) -> ImageExamples:
    image = graph.inputs.get("image")
    sizes = image.shape[1:] if image is not None else ()
    if len(sizes) != 3 or not all(isinstance(size, int) for size in sizes):
        met = f"it is {image}" if image is not None else f"it has {', '.join(graph.inputs)}"
        raise InputError(
            "data of kind 'images' needs a model with an input image [batch, height, width, channels] of "
            f"known sizes; {met}; set data.kind to what the model reads"
        )
    height, width, channels = (int(size) for size in sizes)
    classes = id_limits(graph, {}).get("labels")
    return open_images(data, split=split, shape=(height, width, channels), classes=classes, inputs=inputs)
