"""What reads, counts and predicts, with no framework: each registered on the class of its spec."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from zoo_common.data import DataDescription, Dataset, Example, Wanted, open_data
from zoo_common.data.base import example_bytes
from zoo_common.data.file_marks import Source, sources
from zoo_common.metrics import open_metric
from zoo_common.prediction import Asked, Item, Line, open_prediction
from zoo_dots.specs import DotsData, DotsLabel, TopTwo
from zoo_spec.data_fit import fits, image_size
from zoo_spec.errors import InputError
from zoo_spec.experiment import ExperimentSpec
from zoo_spec.graph import Graph


@fits.register
def _fits(data: DotsData, spec: ExperimentSpec, graph: Graph) -> None:
    image_size(data, graph)


@sources.register
def _sources(data: DotsData) -> list[Source]:
    return [Source("data.file", Path(data.file))]


class Dots(Dataset):
    """The lines; every third is held out."""

    def __init__(self, data: DotsData, shape: tuple[int, int, int], split: str) -> None:
        rows = np.loadtxt(data.file, ndmin=2)
        held = np.arange(len(rows)) % 3 == 2
        self.source, self.shape, self.rows = data.file, shape, rows[held if split == "eval" else ~held]
        if self.rows.shape[1] != 1 + np.prod(shape):
            raise InputError(f"{data.file}: {self.rows.shape[1]} numbers a line, not 1 + {np.prod(shape)}")

    def __len__(self) -> int:
        return len(self.rows)

    def example(self, epoch: int, index: int) -> Example:
        label, *pixels = self.rows[index]
        return {"image": np.float32(pixels).reshape(self.shape), "labels": np.int32(label)}

    def description(self) -> DataDescription:
        return DataDescription(self.source, len(self), self.rows.nbytes, example_bytes(self))


@open_data.register
def _open(data: DotsData, wanted: Wanted) -> Dots:
    return Dots(data, image_size(data, wanted.graph), wanted.split)


class TopTwoCounter:
    """Hits and labels so far."""

    def __init__(self, metric: TopTwo) -> None:
        self.metric, self.hits, self.count = metric, 0, 0

    def add(self, batch, outputs) -> None:
        labels = batch[self.metric.labels]
        self.hits += int((np.argsort(outputs[self.metric.logits])[:, -2:] == labels[:, None]).sum())
        self.count += len(labels)

    @property
    def value(self) -> float:
        return self.hits / self.count if self.count else 0.0


@open_metric.register
def _top_two(metric: TopTwo) -> TopTwoCounter:
    return TopTwoCounter(metric)


class DotsPredictor:
    """A line is an image's pixels."""

    key, reads_files = "text", False

    def __init__(self, outputs: tuple[str, ...], shape: tuple[int, int, int]) -> None:
        self.outputs, self.shape = outputs, shape

    def items(self, line: Line) -> Iterator[Item]:
        image = np.float32(line.text.split()).reshape(self.shape)
        yield Item({"line": line.number}, {"image": image}, lambda row: {"dots": int(row["logits"].argmax())})


@open_prediction.register
def _predictor(declared: DotsLabel, asked: Asked) -> DotsPredictor:
    return DotsPredictor(declared.outputs, image_size(asked.spec.data, asked.graph))
