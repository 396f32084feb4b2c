"""How predictions are made: inputs become items, items become batches, batches become answers, in order.

A kind of prediction is a ``Predictor``, in a file of its own; everything else is the same for all of them.
Nothing but one batch is held, so any number of inputs can stream through.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from pydantic import JsonValue

from zoo_common.backend import Array, Batch, InferenceModel, Weights
from zoo_common.data.base import Example
from zoo_common.prediction.lines import Line
from zoo_common.replicas import ALONE, Replicas, all_do, gathered
from zoo_spec.data.limits import TextLimits
from zoo_spec.errors import InputError

Answer = dict[str, JsonValue]
"""What is said of one item; ``zoo predict`` prints it as a line of JSON."""
Row = Mapping[str, Array]
"""The graph's outputs for one item, without a batch dimension."""


@dataclass(frozen=True)
class Item:
    """One thing to predict: what is fed to the model, and how its outputs are put into words.

    ``where`` says in the answer which item it is of. ``features`` have no batch dimension. ``answer`` gets the
    outputs, padded as the batch is; one that is a part of something has none, but for its last.
    """

    where: Answer
    features: Example
    answer: Callable[[Row], Answer | None]


class Predictor(Protocol):
    """One kind of prediction, for one run."""

    key: str
    """What a line is called in an answer that is an error: ``text``, or ``file``."""
    outputs: tuple[str, ...]
    """The graph's outputs that answer."""
    reads_files: bool
    """Whether a line names a file."""

    def items(self, line: Line) -> Iterator[Item]:
        """The items of one line, one at a time; raises InputError if it cannot be answered."""


@runtime_checkable
class ReadsDocuments(Predictor, Protocol):
    """A kind of prediction that reads files of a form of their own, beside those that have an input a line."""

    def documents(self, path: Path, limits: TextLimits) -> Iterator[Line] | None:
        """The inputs of such a file; None for a file of lines."""


@runtime_checkable
class Runs(Predictor, Protocol):
    """A kind of prediction that takes more than one pass of the model."""

    def run(self, model: InferenceModel, batch: Batch) -> Weights:
        """What answers a batch of features, by the names of its ``outputs``."""


@runtime_checkable
class ReadsFolders(Protocol):
    """A predictor that reads files, and knows those of a folder that are its own by their names."""

    endings: tuple[str, ...]


def predict(
    model: InferenceModel,
    predictor: Predictor,
    lines: Iterable[Line],
    *,
    batch_size: int,
    strict: bool = True,
    replicas: Replicas = ALONE,
) -> Iterator[Answer]:
    """The answers to all lines, in order, a batch at a time; the backend has its weights.

    Of replicas, all of which are given all lines, each answers every so many batches, and all know the answers. An
    input that cannot be answered raises InputError, or, if not ``strict``, has an answer with ``error``,
    what is wrong with it, and the rest are answered.
    """
    chunks = _chunks(_entries(predictor, lines, strict), batch_size)
    while turn := list(islice(chunks, replicas.size)):
        own = turn[replicas.rank] if replicas.rank < len(turn) else []
        answers = _answers(model, predictor, own)
        if replicas.size == 1:
            yield from answers
            continue
        for each in gathered(replicas, all_do(replicas, partial(list[JsonValue], answers))):
            assert isinstance(each, list)
            yield from (answer for answer in each if isinstance(answer, dict))


def _answers(model: InferenceModel, predictor: Predictor, chunk: Sequence[Item | Answer]) -> Iterator[Answer]:
    rows = iter(_outputs(model, predictor, [entry for entry in chunk if isinstance(entry, Item)]))
    for entry in chunk:
        found = entry.answer(next(rows)) if isinstance(entry, Item) else entry
        if found is not None:
            yield {**entry.where, **found} if isinstance(entry, Item) else found


def _entries(predictor: Predictor, lines: Iterable[Line], strict: bool) -> Iterator[Item | Answer]:
    """The items, with an answer in the place of each that there is none for."""
    for line in lines:
        try:
            if line.problem:
                raise InputError(line.problem)
            yield from predictor.items(line)
        except InputError as error:
            if strict:
                raise
            yield {"line": line.number, predictor.key: line.text, "error": str(error)}


def _chunks(entries: Iterable[Item | Answer], size: int) -> Iterator[list[Item | Answer]]:
    """At most ``size`` entries at a time, whose items can stand in one batch."""
    chunk: list[Item | Answer] = []
    first: Item | None = None
    for entry in entries:
        if isinstance(entry, Item):
            if first is not None and not _stand_together(first, entry):
                yield chunk
                chunk, first = [], None
            first = first or entry
        chunk.append(entry)
        if len(chunk) == size:
            yield chunk
            chunk, first = [], None
    if chunk:
        yield chunk


def _stand_together(one: Item, other: Item) -> bool:
    """Items of different sizes can be padded only where ``example_ids`` tells the model what is padding."""
    if "example_ids" in one.features:
        return True
    return all(value.shape == other.features[name].shape for name, value in one.features.items())


def _outputs(model: InferenceModel, predictor: Predictor, items: list[Item]) -> Iterator[Row]:
    if not items:
        return
    batch = {name: pad([item.features[name] for item in items]) for name in items[0].features}
    found = predictor.run(model, batch) if isinstance(predictor, Runs) else model.predict_step(batch)
    if not all(np.isfinite(found[output]).all() for output in predictor.outputs):
        raise InputError(
            "the model's answer holds NaN or infinity: its weights are of no use; train it again"
        )
    for index in range(len(items)):
        yield {name: value[index] for name, value in found.items()}


def pad(values: list[Array]) -> Array:
    """``[batch, …]``, filled up with zeros at the end of each dimension to the size of the largest."""
    sizes = np.max([value.shape for value in values], axis=0)
    filled = np.zeros((len(values), *sizes), values[0].dtype)
    for row, value in zip(filled, values, strict=True):
        row[tuple(slice(size) for size in value.shape)] = value
    return filled
