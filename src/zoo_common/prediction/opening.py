"""From a run to its predictor, by what its task declares."""

from __future__ import annotations

from pathlib import Path

from zoo_common.data.tokenizer_files import run_tokenizer
from zoo_common.prediction.answer_span import AnswerSpan
from zoo_common.prediction.base import Predictor
from zoo_common.prediction.embeddings import Embeddings
from zoo_common.prediction.image_label import ImageLabel
from zoo_common.prediction.masked_words import MaskedWords
from zoo_common.prediction.next_words import NextWords
from zoo_common.prediction.text_labels import SAYS, TextLabels
from zoo_common.prediction.token_labels import TokenLabels
from zoo_common.prediction.words import Words
from zoo_spec.data import ImageData, TextData
from zoo_spec.errors import InputError
from zoo_spec.experiment import ExperimentSpec
from zoo_spec.frameworks import compilers
from zoo_spec.graph import Graph
from zoo_spec.tasks.base import Prediction, PredictionKind
from zoo_spec.tasks.direction import looks_back_alone

WORDS = 5
"""How many words are told of each place, unless the user says."""
_TOLD: dict[PredictionKind, str] = {
    "image_label": "an image is answered with all probabilities",
    "embeddings": "embeddings tell no words",
    "text_label": "a text is answered with all probabilities",
    "text_labels": "a text is answered with all probabilities",
    "text_number": "a text is answered with a number",
    "token_labels": "a token is answered with its likeliest class",
    "answer_span": "a question is answered with the best part of the text",
}
"""What is told where it is not the likeliest words."""


def open_predictor(
    spec: ExperimentSpec,
    graph: Graph,
    run_dir: Path,
    *,
    top: int | None = None,
    embeddings: str | None = None,
) -> Predictor:
    """What predicts with a run of this spec; ``top`` is the number of words told of each place.

    ``embeddings``, ``pooled``, ``tokens`` or ``all``, asks for these in the place of the task's own answers.
    Raises InputError if the task predicts nothing, or if what it predicts from is missing.
    """
    declared = spec.task.prediction()
    if embeddings is not None:
        declared = Prediction("embeddings", ())
    if declared is None:
        raise InputError(
            f"{spec.name}: the task {getattr(spec.task, 'kind', '')} predicts nothing by itself; its outputs are "
            f"{', '.join(graph.outputs)}, which the compiled model gives ({compilers()})"
        )
    _check_outputs(spec, graph, declared)
    if top is not None and declared.kind not in ("masked_words", "next_words"):
        raise InputError(f"top is {top}, but {_TOLD[declared.kind]}; leave it out")
    if declared.kind == "image_label":
        if not isinstance(spec.data, ImageData):
            raise _not_trained_on(spec, "images")
        return ImageLabel(declared.outputs[0], spec.data, graph)
    if not isinstance(spec.data, TextData):
        raise _not_trained_on(spec, "text")
    return _open_text(declared, spec.data, graph, run_dir, embeddings or "all", WORDS if top is None else top)


def _open_text(
    declared: Prediction, data: TextData, graph: Graph, run_dir: Path, which: str, top: int
) -> Predictor:
    tokenizer = run_tokenizer(data, run_dir, graph.table_rows().get("input_ids"))
    if declared.kind == "masked_words":
        return MaskedWords(declared.outputs[0], tokenizer, graph, top=top)
    if declared.kind == "next_words":
        return NextWords(declared.outputs[0], tokenizer, graph, top=top)
    words = Words(tokenizer, graph, is_running=looks_back_alone(graph))
    if declared.kind == "embeddings":
        return Embeddings(which, words, graph)
    if declared.kind == "token_labels":
        return TokenLabels(declared.outputs[0], words)
    if declared.kind == "answer_span":
        return AnswerSpan(declared.outputs, words, graph)
    return TextLabels(declared.outputs[0], words, SAYS[declared.kind])


def _check_outputs(spec: ExperimentSpec, graph: Graph, declared: Prediction) -> None:
    missing = [] if declared.kind == "embeddings" else [n for n in declared.outputs if n not in graph.outputs]
    if missing:
        raise InputError(
            f"{spec.name}: the task {getattr(spec.task, 'kind', '')} predicts from the output {missing[0]!r}, and "
            f"the model has {', '.join(graph.outputs)}; name it so in model.outputs"
        )


def _not_trained_on(spec: ExperimentSpec, wanted: str) -> InputError:
    kind = spec.data.kind
    own = ", whose data.vocabulary names the tokenizer of batches of your own" if wanted == "text" else ""
    return InputError(
        f"{spec.name}: was trained on data of kind {kind!r}, which does not say how {wanted} would be fed to "
        f"it; predict with a run on data of kind {wanted!r}{own}"
    )
