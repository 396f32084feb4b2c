"""What the site of GLUE takes: a table of each test file's indices and what is predicted of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from zoo_common.backend import InferenceModel
from zoo_common.data.sources.glue_tests import Unlabelled, unlabelled
from zoo_common.files import explained, write_atomically
from zoo_common.prediction.base import Answer, Item, Predictor, predict
from zoo_common.prediction.layout import SEPARATOR
from zoo_common.prediction.lines import Line
from zoo_common.prediction.text_labels import TextLabels
from zoo_spec.data import Data, GlueData
from zoo_spec.errors import InputError

_HIGHEST = 5.0
"""Of the similarity that STS-B asks for."""


def submit(
    model: InferenceModel, predictor: Predictor, data: Data, directory: Path, *, batch_size: int
) -> list[Path]:
    """Write a table for each test file of the data's task, whole or not at all; gives their paths.

    Texts are cut to ``data.sequence_length`` as in training. Raises InputError for a run that did not learn a task of
    GLUE's, and for test files that are missing.
    """
    if not isinstance(data, GlueData) or not isinstance(predictor, TextLabels):
        raise InputError(
            f"--glue answers GLUE's test files, and the run's data is of kind {data.kind!r}; predict with a run on "
            "data of kind 'glue'"
        )
    files = unlabelled(data)
    with explained("write", directory):
        directory.mkdir(parents=True, exist_ok=True)
    written = []
    for file in files:
        rows = _Rows(predictor, data.sequence_length)
        answers = predict(model, rows, _lines(file), batch_size=batch_size)
        table = [
            f"{row.label}\t{_said(answer, data)}\n" for row, answer in zip(file.rows(), answers, strict=True)
        ]
        path = directory / file.submitted
        write_atomically(path, "index\tprediction\n" + "".join(table))
        written.append(path)
    return written


class _Rows(Predictor):
    """Texts, cut as they are in training."""

    key = "text"
    reads_files = False

    def __init__(self, texts: TextLabels, most: int) -> None:
        self.outputs = texts.outputs
        self._texts, self._most = texts, most

    def items(self, line: Line) -> Iterator[Item]:
        """The line's one item."""
        return self._texts.items(line, self._most)


def _lines(file: Unlabelled) -> Iterator[Line]:
    for number, row in enumerate(file.rows(), start=1):
        yield Line(number, f" {SEPARATOR} ".join(row.texts), row.where)


def _said(answer: Answer, data: GlueData) -> str:
    if data.task == "stsb":
        return f"{min(max(float(str(answer['value'])), 0.0), _HIGHEST):.3f}"
    label = answer.get("label")
    if not isinstance(label, str):
        raise InputError(
            "the run has no labels.json, so nobody knows what its classes are called; train it on data of kind 'glue'"
        )
    return label
