"""From a run to its predictor, by what its task declares."""

from __future__ import annotations

from pathlib import Path

from zoo_common.data.tokenizer_files import kept_tokenizer
from zoo_common.prediction.base import Predictor
from zoo_common.prediction.image_label import ImageLabel
from zoo_common.prediction.masked_words import MaskedWords
from zoo_common.prediction.next_words import NextWords
from zoo_spec.data import ImageData, TextData
from zoo_spec.errors import InputError
from zoo_spec.experiment import ExperimentSpec
from zoo_spec.graph import Graph

WORDS = 5
"""How many words are told of each place, unless the user says."""


def open_predictor(spec: ExperimentSpec, graph: Graph, run_dir: Path, *, top: int | None = None) -> Predictor:
    """What predicts with a run of this spec; ``top`` is the number of words told of each place.

    Raises InputError if the task predicts nothing, or if what it predicts from is missing.
    """
    task = getattr(spec.task, "kind", "")
    declared = spec.task.prediction()
    if declared is None:
        raise InputError(
            f"{spec.name}: the task {task} predicts nothing by itself; its outputs are "
            f"{', '.join(graph.outputs)}, which the compiled model gives (zoo_torch.compile, zoo_tf.compile)"
        )
    if declared.output not in graph.outputs:
        raise InputError(
            f"{spec.name}: the task {task} predicts from the output {declared.output!r}, and the model has "
            f"{', '.join(graph.outputs)}; name it so in model.outputs"
        )
    if declared.kind == "image_label":
        if top is not None:
            raise InputError(f"top is {top}, but an image is answered with all probabilities; leave it out")
        if not isinstance(spec.data, ImageData):
            raise _not_trained_on(spec, "images")
        return ImageLabel(declared.output, spec.data, graph)
    if not isinstance(spec.data, TextData):
        raise _not_trained_on(spec, "text")
    words = WORDS if top is None else top
    kind = MaskedWords if declared.kind == "masked_words" else NextWords
    return kind(declared.output, kept_tokenizer(run_dir), graph, top=words)


def _not_trained_on(spec: ExperimentSpec, wanted: str) -> InputError:
    kind = getattr(spec.data, "kind", "")
    return InputError(
        f"{spec.name}: was trained on data of kind {kind!r}, which does not say how {wanted} would be fed to "
        f"it; predict with a run on data of kind {wanted!r}"
    )
